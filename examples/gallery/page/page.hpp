#pragma once

#include <string_view>

namespace gallery {

/// The page that GET / answers with: one HTML file with its style and script inside, which needs nothing else.
/// Thread: any, for all three.
[[nodiscard]] std::string_view page_html() noexcept;

/// The Content-Security-Policy header to send with it. It lets exactly this page's own style and script run, by their
/// hashes, and lets the page talk to nobody but the server it came from.
[[nodiscard]] std::string_view page_content_security_policy() noexcept;

/// The ETag header, quotes included, that changes whenever the page does.
[[nodiscard]] std::string_view page_etag() noexcept;

}  // namespace gallery
