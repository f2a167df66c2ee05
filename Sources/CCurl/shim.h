#ifndef THROUGHLINE_CCURL_SHIM_H
#define THROUGHLINE_CCURL_SHIM_H

#include <curl/curl.h>

/// `curl_easy_setopt` is variadic, which Swift cannot call: one function for each type of value.
static inline CURLcode tl_setopt_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

#endif
