// SPDX-License-Identifier: Apache-2.0
#include "data/html.h"

#include <gtest/gtest.h>

namespace vila::data {
namespace {

TEST(Html, EscapesMarkupAndControlCharacters) {
  EXPECT_EQ(escape_html("<b a=\"1\" c='2'>&amp;</b>"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;");
  EXPECT_EQ(escape_html("a\nb\tc"), "a\nb\tc");
  EXPECT_EQ(escape_html(std::string_view("\0\x1b", 2)), "\u2400\u241B");
  EXPECT_EQ(escape_html("caf\xC3\xA9 \xFF"), "café \uFFFD");
}

// RFC 4648, section 10.
TEST(Html, EncodesBase64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFF\xFE\xFD"), "//79");
}

TEST(Html, EmbedsOnlyWhatBrowsersShow) {
  EXPECT_EQ(image_data_uri("\xFF\xD8\xFF"), "data:image/jpeg;base64,/9j/");
  EXPECT_EQ(image_data_uri("\x89PNG\r\n\x1a\n").substr(0, 22), "data:image/png;base64,");
  EXPECT_EQ(image_data_uri("RIFF\1\1\1\1WEBPVP8 ").substr(0, 23), "data:image/webp;base64,");
  EXPECT_EQ(image_data_uri("GIF89a"), "data:image/gif;base64,R0lGODlh");
  EXPECT_EQ(image_data_uri("BM"), "data:image/bmp;base64,Qk0=");
  EXPECT_EQ(image_data_uri("P6\n1 1\n255\n"), "");
  EXPECT_EQ(image_data_uri("<svg onload=alert(1)>"), "");
}

}  // namespace
}  // namespace vila::data
