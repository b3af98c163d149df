# SPDX-License-Identifier: Apache-2.0
# What `vila data build nano` adds to the data layer. librsvg and cairo are used in svg_render.cc alone,
# the SentencePiece trainer in tokenizer_training.cc alone.
set(VILA_NANO_HEADERS build.h category.h concepts.h context.h documents.h easy_vqa.h gallery.h
    generators.h icon_names.h iconify.h instructions.h package.h pair_tasks.h phrases.h scene.h
    svg_render.h text_facts.h wordnet.h)
set(VILA_NANO_SOURCES build.cc category.cc concepts.cc context.cc documents.cc easy_vqa.cc emoji.cc
    fashion.cc flags.cc gallery.cc icon_names.cc iconify.cc instructions.cc instructions_scenes.cc
    instructions_several.cc instructions_text.cc licences.cc openclipart.cc package.cc pair_tasks.cc
    phrases.cc scene.cc scenes.cc stamps.cc svg_render.cc tests.cc text_corpus.cc text_facts.cc
    tokenizer_training.cc wordnet.cc)
set(VILA_NANO_TESTS build_test.cc concepts_test.cc documents_test.cc phrases_test.cc scene_test.cc
    svg_render_test.cc text_facts_test.cc wordnet_test.cc)
list(TRANSFORM VILA_NANO_HEADERS PREPEND nano/)
list(TRANSFORM VILA_NANO_SOURCES PREPEND nano/)
list(TRANSFORM VILA_NANO_TESTS PREPEND nano/)
set(VILA_NANO_LIBRARIES PkgConfig::rsvg PkgConfig::archive PkgConfig::sentencepiece
    sentencepiece_train)
