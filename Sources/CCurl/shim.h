#ifndef THROUGHLINE_CCURL_SHIM_H
#define THROUGHLINE_CCURL_SHIM_H

#include <curl/curl.h>

// libcurl's setters and getters are variadic, which Swift cannot call: one function for each type of value.

/// `curl_easy_setopt` with a number or a switch.
static inline CURLcode tl_setopt_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

/// `curl_easy_setopt` with a string, which libcurl copies; `NULL` unsets the option.
static inline CURLcode tl_setopt_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

/// `curl_easy_setopt` with a pointer that stays the caller's: a callback's context, the error buffer.
static inline CURLcode tl_setopt_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

/// `curl_easy_setopt` with a list that stays the caller's and must outlive the transfer.
static inline CURLcode tl_setopt_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

/// `curl_easy_setopt` with a callback that takes bytes: of the body or of a header line.
static inline CURLcode tl_setopt_callback(CURL *easy, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(easy, option, value);
}

/// `curl_easy_getinfo` of a `long`.
static inline CURLcode tl_getinfo_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

/// `curl_easy_getinfo` of a `curl_off_t`: sizes, and times in microseconds.
static inline CURLcode tl_getinfo_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(easy, info, value);
}

/// `curl_easy_getinfo` of a socket; `CURL_SOCKET_BAD` when there is none.
static inline CURLcode tl_getinfo_socket(CURL *easy, CURLINFO info, curl_socket_t *value) {
    return curl_easy_getinfo(easy, info, value);
}

/// `CURLOPT_SOCKOPTFUNCTION`.
static inline CURLcode tl_setopt_socket_callback(CURL *easy, curl_sockopt_callback value) {
    return curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, value);
}

/// `curl_multi_setopt` with a number.
static inline CURLMcode tl_multi_setopt_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

/// `CURLOPT_SHARE`.
static inline CURLcode tl_setopt_share(CURL *easy, CURLSH *share) {
    return curl_easy_setopt(easy, CURLOPT_SHARE, share);
}

/// `CURLSHOPT_SHARE`.
static inline CURLSHcode tl_share_data(CURLSH *share, curl_lock_data data) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, data);
}

/// `CURLSHOPT_LOCKFUNC`, `CURLSHOPT_UNLOCKFUNC` and `CURLSHOPT_USERDATA`.
static inline CURLSHcode tl_share_locks(
    CURLSH *share, curl_lock_function lock, curl_unlock_function unlock, void *context) {
    CURLSHcode code = curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock);
    if (code == CURLSHE_OK) code = curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock);
    return code == CURLSHE_OK ? curl_share_setopt(share, CURLSHOPT_USERDATA, context) : code;
}

/// The result of a finished transfer (`CURLMsg` holds it in a union); `CURLE_OK` for other messages.
static inline CURLcode tl_message_result(const CURLMsg *message) {
    return message->msg == CURLMSG_DONE ? message->data.result : CURLE_OK;
}

/// `CURLAUTH_BASIC`, a macro with a cast in it.
static const long tl_auth_basic = (long)CURLAUTH_BASIC;

/// `CURLAUTH_DIGEST`, likewise.
static const long tl_auth_digest = (long)CURLAUTH_DIGEST;

#endif
