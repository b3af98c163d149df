// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "formats/hub_cache.h"
#include "hub/http_client.h"
#include "hub/listing.h"
#include "hub/partial_file.h"
#include "hub/settings.h"

namespace vila::hub {

/// The questions that a download asks the Hub. Each is repeated, with growing pauses, while the
/// answer is one that may get better. An owner; one thread.
class HubClient {
 public:
  /// Both must outlive it.
  HubClient(const Settings& settings, const Hooks& hooks)
      : settings_(settings), hooks_(hooks), http_(settings, hooks.is_cancelled) {}

  /// The files of a repository at a revision.
  /// @throws Error{network} saying what to do; Error{cancelled}.
  Listing list(const formats::HubId& id);

  /// What a blob must be, asked of the server where the listing does not say.
  /// @throws as list()
  BlobId blob_of(const formats::HubId& id, const std::string& commit, const RemoteFile& file);

  /// Which file comes, and where it goes.
  struct Download {
    formats::HubId id;
    std::string commit;
    std::string path;              // in the repository
    std::filesystem::path target;  // the blob
  };

  /// Fetches what is missing of `part`, checks it and gives it its final name. A server that
  /// ignores the range sends all again; content with another checksum is fetched once more.
  /// @param on_size  called with the bytes that are here whenever they change
  /// @throws as list(); the part stays for another attempt.
  void download(const Download& what, PartialFile& part,
                const std::function<void(uint64_t)>& on_size);

 private:
  HttpResponse ask(const HttpRequest& request, const formats::HubId& id, const std::string& what);
  HttpResponse fetch_rest(const std::string& url, PartialFile& part,
                          const std::function<void(uint64_t)>& on_size);
  void complete(const Download& what, PartialFile& part,
                const std::function<void(uint64_t)>& on_size);
  [[noreturn]] void refuse(const HttpResponse& response, const formats::HubId& id,
                           const std::string& what) const;
  std::string file_url(const formats::HubId& id, const std::string& commit,
                       const std::string& path) const;

  const Settings& settings_;
  const Hooks& hooks_;
  HttpClient http_;
};

/// A text as part of a path in an address: all but letters, digits and "-._~/" as %XX.
std::string url_escaped(std::string_view text);

}  // namespace vila::hub
