// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template_table.h"

namespace vila::text {
namespace {

constexpr const char* kUserSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the user's questions.";
constexpr const char* kHumanSystem =
    "A chat between a curious human and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the human's questions.";
constexpr const char* kTagSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant is able to understand the visual content that the user provides, and "
    "assist the user with a variety of tasks using natural language.The visual "
    "content will be provided with the following format: <Image>visual "
    "content</Image>.";
constexpr const char* kSafetySystem =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully "
    "as possible, while being safe.  Your answers should not include any harmful, "
    "unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure "
    "that your responses are socially unbiased and positive in nature.\n"
    "\n"
    "If a question does not make any sense, or is not factually coherent, explain "
    "why instead of answering something not correct. If you don't know the answer to "
    "a question, please don't share false information.";
constexpr const char* kVisionSystem =
    "You are a helpful language and vision assistant. You are able to understand the "
    "visual content that the user provides, and assist the user with a variety of "
    "tasks using natural language.";
constexpr const char* kMptSystem =
    "<|im_start|>system\n"
    "A conversation between a user and an LLM-based AI assistant. The assistant "
    "gives helpful and honest answers.";

constexpr const char* kExampleQuestion =
    "What are the key differences between renewable and non-renewable energy sources?";
constexpr const char* kExampleAnswer =
    "Renewable energy sources are those that can be replenished naturally in a "
    "relatively short amount of time, such as solar, wind, hydro, geothermal, and "
    "biomass. Non-renewable energy sources, on the other hand, are finite and will "
    "eventually be depleted, such as coal, oil, and natural gas. Here are some key "
    "differences between renewable and non-renewable energy sources:\n"
    "1. Availability: Renewable energy sources are virtually inexhaustible, while "
    "non-renewable energy sources are finite and will eventually run out.\n"
    "2. Environmental impact: Renewable energy sources have a much lower "
    "environmental impact than non-renewable sources, which can lead to air and "
    "water pollution, greenhouse gas emissions, and other negative effects.\n"
    "3. Cost: Renewable energy sources can be more expensive to initially set up, "
    "but they typically have lower operational costs than non-renewable sources.\n"
    "4. Reliability: Renewable energy sources are often more reliable and can be "
    "used in more remote locations than non-renewable sources.\n"
    "5. Flexibility: Renewable energy sources are often more flexible and can be "
    "adapted to different situations and needs, while non-renewable sources are more "
    "rigid and inflexible.\n"
    "6. Sustainability: Renewable energy sources are more sustainable over the long "
    "term, while non-renewable sources are not, and their depletion can lead to "
    "economic and social instability.\n";

constexpr const char* kLlama3System =
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "You are a helpful language and vision assistant. You are able to understand the "
    "visual content that the user provides, and assist the user with a variety of "
    "tasks using natural language.";
constexpr const char* kLlama3User = "<|start_header_id|>user<|end_header_id|>\n\n";
constexpr const char* kLlama3Assistant = "<|start_header_id|>assistant<|end_header_id|>\n\n";
constexpr const char* kMarkedUser = "<|im_start|>user\n";
constexpr const char* kMarkedAssistant = "<|im_start|>assistant\n";

using Style = ChatTemplate::Style;

constexpr TemplateMarks kChatMl = {.system_begin = "<|im_start|>system\n",
                                   .system_end = "<|im_end|>\n",
                                   .user_end = "<|im_end|>\n",
                                   .assistant_end = "<|im_end|>\n",
                                   .open = kMarkedAssistant};

constexpr ChatTemplate kTemplates[] = {
    {.name = "vicuna_v1",
     .alias = "v1",
     .system = kUserSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "vicuna_v1_nosys",
     .system = "",
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "llava_v1",
     .system = kHumanSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "v1_mmtag",
     .system = kTagSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>",
     .tags_picture = true},
    {.name = "default",
     .alias = "v0",
     .system = kHumanSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###",
     .example_question = kExampleQuestion,
     .example_answer = kExampleAnswer},
    {.name = "llava_v0",
     .system = kHumanSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###"},
    {.name = "v0_mmtag",
     .system = kTagSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###",
     .tags_picture = true},
    {.name = "plain",
     .alias = "v0_plain",
     .system = "",
     .user = "",
     .assistant = "",
     .style = Style::plain,
     .separator = "\n"},
    {.name = "llama_2",
     .system = kSafetySystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::llama_2,
     .separator = "<s>",
     .separator2 = "</s>"},
    {.name = "llava_llama_2",
     .system = kVisionSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::llama_2,
     .separator = "<s>",
     .separator2 = "</s>"},
    {.name = "mistral",
     .system = "",
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::mistral,
     .separator = "",
     .separator2 = "</s>"},
    {.name = "mpt",
     .system = kMptSystem,
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::mpt,
     .separator = "<|im_end|>"},
    {.name = "hermes-2",
     .system = "<|im_start|>system\nAnswer the questions.",
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::mpt,
     .separator = "<|im_end|>"},
    // The answering role of VILA1.5's Llama-3 was literally "system" in training.
    {.name = "llama_3",
     .system = kLlama3System,
     .user = kLlama3User,
     .assistant = "<|start_header_id|>system<|end_header_id|>\n\n",
     .style = Style::mpt,
     .separator = "<|end_of_text|>"},
    {.name = "llama_3_eot",
     .system = kLlama3System,
     .user = kLlama3User,
     .assistant = kLlama3Assistant,
     .style = Style::llama_3,
     .separator = "<|eot_id|>",
     .separator2 = "<|end_of_text|>"},
    {.name = "qwen2",
     .system = "You are a helpful assistant",
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::jinja,
     .separator = "<|im_end|>",
     .marks = kChatMl},
    {.name = "qwen2_5",
     .system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::jinja,
     .separator = "<|im_end|>",
     .marks = kChatMl},
    {.name = "smollm2",
     .system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::jinja,
     .separator = "<|im_end|>",
     .marks = kChatMl},
    {.name = "chatml",
     .system = "",
     .user = kMarkedUser,
     .assistant = kMarkedAssistant,
     .style = Style::jinja,
     .separator = "<|im_end|>",
     .marks = kChatMl},
    {.name = "llama_3_instruct",
     .system = "",
     .user = kLlama3User,
     .assistant = kLlama3Assistant,
     .style = Style::jinja,
     .separator = "<|eot_id|>",
     .marks = {.begin = "<|begin_of_text|>",
               .system_begin = "<|start_header_id|>system<|end_header_id|>\n\n",
               .system_end = "<|eot_id|>",
               .user_end = "<|eot_id|>",
               .assistant_end = "<|eot_id|>",
               .open = kLlama3Assistant,
               .trims = true,
               .opens_always = true}},
    {.name = "mistral_instruct",
     .system = "",
     .user = "[INST] ",
     .assistant = " ",
     .style = Style::jinja,
     .separator = "</s>",
     .marks = {.begin = "<s>",
               .system_end = "\n\n",
               .user_end = " [/INST]",
               .assistant_end = "</s>",
               .trims = true}},
};

/// Words that a Jinja template has, and the row that renders as it does; the first that fits.
struct JinjaMark {
  const char* words;
  const char* name;
};

constexpr JinjaMark kJinjaMarks[] = {
    {"You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "qwen2_5"},
    {"You are a helpful AI assistant named SmolLM, trained by Hugging Face", "smollm2"},
    {"You are a helpful assistant<|im_end|>", "qwen2"},
    {"<|start_header_id|>", "llama_3_instruct"},
    {"[INST]", "mistral_instruct"},
    {"ASSISTANT:", "vicuna_v1"},
};

}  // namespace

const char* jinja_template_name(std::string_view jinja) {
  for (const JinjaMark& mark : kJinjaMarks) {
    if (jinja.find(mark.words) != std::string_view::npos) return mark.name;
  }
  // A system text of its own that is not listed would make another template.
  const bool has_system_text = jinja.find("system\\nYou are") != std::string_view::npos ||
                               jinja.find("system\nYou are") != std::string_view::npos;
  const bool is_chat_ml = jinja.find("<|im_start|>") != std::string_view::npos && !has_system_text;
  return is_chat_ml ? "chatml" : nullptr;
}

std::span<const ChatTemplate> chat_template_table() {
  return kTemplates;
}

}  // namespace vila::text
