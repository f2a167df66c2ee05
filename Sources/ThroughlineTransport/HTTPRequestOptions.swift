/// How requests to one origin are made.
package struct HTTPRequestOptions: Sendable {
    /// One header field of a request.
    package struct Header: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What the origin asks of those who read from it.
    package enum Credentials: Sendable {
        case none
        /// Basic or Digest (RFC 7617, RFC 7616), as the origin asks. Over TLS the first request carries Basic at once;
        /// in the clear the origin is asked first, so that one that wants Digest is never sent the password.
        case userPassword(user: String, password: String)
        /// `Authorization: Bearer` (RFC 6750).
        case bearer(token: String)
    }

    /// Which versions of HTTP may be spoken.
    package enum Version: Sendable {
        /// HTTP/2 over TLS where ALPN agrees on it, HTTP/1.1 otherwise.
        case automatic
        /// HTTP/1.1 only.
        case http1
    }

    /// Further fields; sent to the URL's own host only, since any of them may be a secret. `Range` is not allowed.
    package var headers: [Header] = []
    package var userAgent = "throughline/0.1"
    /// Sent to the URL's own scheme, host and port only (and to TLS on port 443 when that was HTTP on port 80).
    package var credentials = Credentials.none
    /// Name resolution, TCP and TLS together.
    package var connectTimeout = Duration.seconds(5)
    package var maximumRedirects = 5
    /// Hosts that redirects may lead to, besides the URL's own.
    package var allowedRedirectHosts: [String] = []
    /// Lets redirects lead to any host, and from `https` to `http`.
    package var redirectsMayLeaveHost = false
    /// Certificate authorities to trust, a PEM file, in place of the system's. TLS is always verified.
    package var caFile: String?
    package var version = Version.automatic
    /// What all that reads from one origin has in common. nil: this client keeps its own connections and cookies.
    package var pool: ConnectionPool?

    package init() {}
}
