// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/nano/context.h"

namespace vila::data::nano {

/// The sets of the nano data, one function and one file each. Every one writes its files below the
/// build's folder and throws what BuildContext and the packages' readers do.

/// splits/held-out-concepts.txt, pairs/emoji.jsonl, images/emoji/VENDOR/: each concept that is not
/// held out, in each training style, once centred on white and twice placed at random.
void build_emoji(BuildContext& context);
/// pairs/stamps.jsonl and splits/held-out-stamps.jsonl: photographs and drawings of tuxpaint.
void build_stamps(BuildContext& context);
/// pairs/openclipart.jsonl: drawings with titles.
void build_openclipart(BuildContext& context);
/// pairs/flags.jsonl: flags of countries.
void build_flags(BuildContext& context);
/// pairs/fashion.jsonl: clothes of fashion-mnist.
void build_fashion(BuildContext& context);
/// pairs/scenes.jsonl: shapes drawn by us (scene.h).
void build_scenes(BuildContext& context);
/// images/easy-vqa/: the pictures of easy-vqa, training and test split.
void build_easy_vqa(BuildContext& context);
/// text/*.jsonl: running text; 1 % of it in text/validation.jsonl.
void build_text(BuildContext& context);
/// tokenizer/: SentencePiece BPE trained on captions and text.
void build_tokenizer(BuildContext& context);
/// documents/*.jsonl: several pictures placed in running text.
void build_documents(BuildContext& context);
/// instructions/*.json: questions and answers, with pictures and without.
void build_instructions(BuildContext& context);
/// test/*.jsonl: questions on what training never saw.
void build_tests(BuildContext& context);
/// LICENSES.md: sources, versions, licences, counts.
void build_licences(BuildContext& context);

}  // namespace vila::data::nano
