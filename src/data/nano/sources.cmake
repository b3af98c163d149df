# SPDX-License-Identifier: Apache-2.0
# What `vila data build nano` adds to the data layer. librsvg and cairo are used in svg_render.cc alone,
# the SentencePiece trainer in tokenizer_training.cc alone.
set(VILA_NANO_HEADERS build.h category.h concepts.h context.h generators.h icon_names.h iconify.h
    package.h phrases.h svg_render.h text_facts.h wordnet.h)
set(VILA_NANO_SOURCES build.cc category.cc concepts.cc context.cc emoji.cc icon_names.cc iconify.cc
    package.cc phrases.cc svg_render.cc text_corpus.cc text_facts.cc tokenizer_training.cc wordnet.cc)
set(VILA_NANO_TESTS)
list(TRANSFORM VILA_NANO_HEADERS PREPEND nano/)
list(TRANSFORM VILA_NANO_SOURCES PREPEND nano/)
list(TRANSFORM VILA_NANO_TESTS PREPEND nano/)
set(VILA_NANO_LIBRARIES PkgConfig::rsvg PkgConfig::archive PkgConfig::sentencepiece
    sentencepiece_train)
