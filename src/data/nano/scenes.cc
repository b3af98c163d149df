// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "data/nano/generators.h"
#include "data/nano/scene.h"

namespace vila::data::nano {

void build_scenes(BuildContext& context) {
  std::vector<std::string> lines(static_cast<size_t>(kScenes));
  Placement whole;
  whole.scale = 1;
  whole.is_trimmed = false;
  context.pool().parallel_for(kScenes, 16, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const Scene scene = make_scene(context.options().seed, index);
      Pair pair;
      pair.id = fmt::format("scene-{:05}", index);
      pair.image = scene_image(index);
      pair.text = scene.caption();
      pair.label = pair.text;
      pair.vendor = "scenes";
      const Drawing drawing = Drawing::from_svg(scene.svg(), pair.id);
      context.write_picture(pair.image, drawing.render_png(context.options().image_size, whole));
      lines[static_cast<size_t>(index)] = pair.to_line();
    }
  });
  context.write_lines("pairs/scenes.jsonl", lines);
  context.say(fmt::format("scenes: {} pictures", kScenes));
}

}  // namespace vila::data::nano
