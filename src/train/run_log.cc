// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace vila::train {
namespace {

/// Protocol buffers: fields are (number << 3 | wire type), then the value.
enum class Wire : uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

template <typename T>
void put_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_tag(std::string& out, uint64_t field, Wire wire) {
  put_varint(out, field << 3 | static_cast<uint64_t>(wire));
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_tag(out, field, Wire::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event_start(double time) {
  std::string event;
  put_tag(event, 1, Wire::fixed64);  // wall_time
  put_raw(event, time);
  return event;
}

uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

[[noreturn]] void fail_write(const std::filesystem::path& file) {
  fail(ErrorCode::insufficient_disk, "{}: cannot write the log; free some space and --resume",
       file.string());
}

/// The lines of steps up to `last_step`.
std::string kept_lines(const std::filesystem::path& file, int64_t last_step) {
  std::string kept;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.value("step", last_step + 1) <= last_step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

std::string tf_record(std::string_view content) {
  std::string record;
  put_raw(record, static_cast<uint64_t>(content.size()));
  put_raw(record, masked_crc(record));
  record += content;
  put_raw(record, masked_crc(content));
  return record;
}

std::string scalar_event(int64_t step, double time, const Figures& figures) {
  std::string summary;
  for (const auto& [name, value] : figures) {
    std::string scalar;
    put_bytes(scalar, 1, name);         // Summary.Value.tag
    put_tag(scalar, 2, Wire::fixed32);  // Summary.Value.simple_value
    put_raw(scalar, static_cast<float>(value));
    put_bytes(summary, 1, scalar);  // Summary.value
  }
  std::string event = event_start(time);
  put_tag(event, 2, Wire::varint);  // step
  put_varint(event, static_cast<uint64_t>(step));
  put_bytes(event, 5, summary);
  return event;
}

JsonlLog::JsonlLog(const std::filesystem::path& file, int64_t last_step) : file_(file) {
  std::filesystem::create_directories(file.parent_path());
  if (std::filesystem::exists(file)) write_file(file, kept_lines(file, last_step));
  out_.open(file, std::ios::app);
  if (!out_) fail_write(file);
}

void JsonlLog::write(int64_t step, const Figures& figures) {
  nlohmann::ordered_json json = {{"step", step}};
  for (const auto& [name, value] : figures)
    json[name] = value;
  if (!(out_ << json.dump() << std::endl)) fail_write(file_);
}

TensorboardLog::TensorboardLog(const std::filesystem::path& folder, int64_t first_step, double time)
    : file_(folder /
            fmt::format("events.out.tfevents.{:010}.step{}", std::floor(time), first_step)) {
  std::filesystem::create_directories(folder);
  out_.open(file_, std::ios::binary | std::ios::trunc);
  std::string event = event_start(time);
  put_bytes(event, 3, "brain.Event:2");  // file_version
  write_record(event);
}

void TensorboardLog::write(int64_t step, double time, const Figures& figures) {
  write_record(scalar_event(step, time, figures));
}

void TensorboardLog::write_record(const std::string& event) {
  const std::string record = tf_record(event);
  if (!out_.write(record.data(), static_cast<std::streamsize>(record.size())).flush()) {
    fail_write(file_);
  }
}

}  // namespace vila::train
