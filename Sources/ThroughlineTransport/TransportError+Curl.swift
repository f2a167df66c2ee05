internal import CCurl
internal import Glibc

extension TransportError.Code {
    /// Sorts libcurl's result into ours.
    ///
    /// - Parameters:
    ///   - result: how the transfer ended; not `CURLE_OK`.
    ///   - systemError: `CURLINFO_OS_ERRNO`, 0 when the system had no part in it.
    init(_ result: CURLcode, systemError: Int32) {
        switch result {
        case CURLE_URL_MALFORMAT: self = .invalidURL
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .dns
        case CURLE_COULDNT_CONNECT:
            switch systemError {
            case ECONNREFUSED: self = .refused
            case ETIMEDOUT: self = .connectTimedOut
            case ECONNRESET: self = .reset
            default: self = .unreachable
            }
        // The one timeout of libcurl's that is in use is that for connecting; silence is judged by our deadlines.
        case CURLE_OPERATION_TIMEDOUT: self = .connectTimedOut
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CRL_BADFILE,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_USE_SSL_FAILED:
            // A connection that breaks during the handshake is reported as a failed handshake.
            self = systemError == ECONNRESET ? .reset : .tls
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING: self = .closedEarly
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR:
            switch systemError {
            case ECONNRESET, EPIPE, ECONNABORTED: self = .reset
            case ETIMEDOUT: self = .timedOut
            case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: self = .unreachable
            // TLS ended without `close_notify`: whether that was the end, nobody can tell.
            case 0: self = .closedEarly
            default: self = .reset
            }
        case CURLE_HTTP2, CURLE_HTTP2_STREAM: self = .reset
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
            self = .protocolError
        default: self = .other
        }
    }
}
