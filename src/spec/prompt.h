// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/config.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vila::spec {

inline constexpr text::TokenId kImageToken = -200;   // IMAGE_TOKEN_INDEX
inline constexpr text::TokenId kVideoToken = -201;   // a video behind one token (NVILA)
inline constexpr text::TokenId kIgnoreLabel = -100;  // IGNORE_INDEX
inline constexpr std::string_view kImagePlaceholder = "<image>";
inline constexpr std::string_view kVideoPlaceholder = "<vila/video>";

/// Whether an id stands for rows of a picture or video.
constexpr bool is_media_token(text::TokenId id) {
  return id == kImageToken || id == kVideoToken;
}

/// How often "<image>" stands in a text.
int64_t count_images(std::string_view text);

/// The ids of a prompt, -200 for each picture, -201 for each video.
///
/// Where the tokenizer has "<image>" as a token (NVILA), the prompt is tokenised whole and the ids
/// of media tokens, which no table has rows for, are replaced.
///
/// Else tokenizer_image_token of llava/mm_utils.py: each chunk between "<image>" is tokenised alone
/// (with BOS); where the first id of the prompt is BOS it is kept once and the first id of every
/// chunk is dropped; -200 stands for each picture.
std::vector<text::TokenId> tokenize_prompt(const text::Tokenizer& tokenizer,
                                           std::string_view prompt);

/// Ids that stand behind each picture: of NVILA a newline, of earlier generations nothing.
std::vector<text::TokenId> media_end_ids(const VilaConfig& config,
                                         const text::Tokenizer& tokenizer);

/// The template a checkpoint was trained with: vicuna_v1 of Feb 2024; of VILA1.5 told by the tokens
/// that its tokenizer has, "llama_3", "hermes-2", else "vicuna_v1". NVILA and plain language models
/// have that of their tokenizer.
/// @param jinja  text::read_chat_template() of the checkpoint.
/// @throws Error{invalid_model} NVILA or a language model with an unknown template.
const char* chat_template_name(const VilaConfig& config, const text::Tokenizer& tokenizer,
                               std::string_view jinja);

/// Media ids of a tokenizer that has them as kImageToken and kVideoToken; other ids as they are.
std::vector<text::TokenId> mark_media(const text::Tokenizer& tokenizer,
                                      std::span<const text::TokenId> ids);

/// Repeats the n-th "<image>" as "<image>\n" for each of its tiles, where there are several.
/// @throws Error{invalid_argument} when `tiles` has another number than the prompt has "<image>".
std::string repeat_tiles(std::string_view prompt, std::span<const int64_t> tiles);

/// How many pictures and videos a request has, or a text has places for.
struct MediaCount {
  int64_t images = 0;
  int64_t videos = 0;

  friend bool operator==(const MediaCount&, const MediaCount&) = default;
};

/// How often "<image>" and "<vila/video>" stand in a text.
MediaCount count_media(std::string_view text);

/// How a generation writes the media of a request into its prompts: the one rule for every command.
/// Source: run_vila.py at 277b9f6; generate_content and tokenize_conversation at b760c34, where the
/// encoder puts the newline behind a picture, not the prompt.
struct PromptRule {
  std::string_view image_end = "\n";  // behind each picture that is put in front of a text
  bool trims = false;                 // texts lose the white space around them
  bool has_video_token = false;       // a video is one token; else each frame is a picture
};

/// The rule that the generation of `config` follows (the reference: llava/mm_utils.py for VILA and
/// VILA1.5, llava/utils/media.py for NVILA).
PromptRule prompt_rule(const VilaConfig& config);

/// Puts the media of a request into its prompt, by kind: where the prompt names none of a kind, all
/// of it in front (pictures first), "<image>" with its end for each picture and "<vila/video>" for
/// each video. Texts lose the white space around them where the rule says so.
/// @throws Error{invalid_argument} giving both counts when they differ.
std::string place_media(std::string_view prompt, MediaCount media, const PromptRule& rule);

/// Writes the n-th "<vila/video>" as "<image>" with its end for each of its frames.
/// @throws Error{invalid_argument} when `frames` has another number than the prompt has videos.
std::string spread_videos(std::string_view prompt, std::span<const int64_t> frames,
                          const PromptRule& rule);

/// Text of an interleaved document (LazyMMC4Dataset): sentences joined by one blank, "<image>"
/// directly in front of the sentence of each picture, without blanks beside it; the same letters in
/// web text become "<IMAGE>". Pictures then stand in the order of their sentences, ties in the
/// order given.
/// @param image_sentences  number of the sentence of each picture.
/// @throws Error{invalid_data} when such a number is no sentence.
std::string document_text(std::span<const std::string> sentences,
                          std::span<const int64_t> image_sentences);

/// Ids of one training sample and, per id, its label: the id itself, or kIgnoreLabel where no loss
/// is.
struct LabelledIds {
  std::vector<text::TokenId> ids;
  std::vector<text::TokenId> labels;
};

/// Caption after a picture, "plain" template: "<image>" + caption + "\n"; loss on caption and
/// newline.
LabelledIds label_plain(const text::Tokenizer& tokenizer, std::string_view caption);

/// Plain text or an interleaved document ("<image>" inside): loss on all text and the EOS put at
/// its end; pictures never. (LazyMMC4Dataset, LazyCoyoDataset; plain language-model text as well.)
LabelledIds label_document(const text::Tokenizer& tokenizer, std::string_view text);

/// Instruction sample, preprocess_v1 (F24): template rendered with all turns; loss on answers and
/// their "</s>". Where re-tokenised lengths do not add up, every label is kIgnoreLabel.
LabelledIds label_conversation(const text::Tokenizer& tokenizer,
                               const text::ChatTemplate& chat_template,
                               std::span<const text::Message> messages,
                               const std::string* system = nullptr);

}  // namespace vila::spec
