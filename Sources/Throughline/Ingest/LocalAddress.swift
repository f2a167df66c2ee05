internal import ThroughlineProtocols

/// Where an origin on this machine lies.
package enum LocalAddress: Hashable, Sendable {
    /// Standard input of this process: `-`, `/dev/stdin` and the other names that the system has for it.
    case standardInput
    /// A file, a named pipe, a device or a socket.
    case path(String)

    /// Nil for what lies elsewhere: a URL of another scheme than `file` (RFC 8089).
    package init?(_ url: String) {
        let path: String
        if url.lowercased().hasPrefix("file://") {
            // `?` and `#` are part of the name of a file, and begin no query or fragment.
            let rest = url.dropFirst("file://".count)
            let host = rest.prefix { $0 != "/" }
            guard host.isEmpty || host.lowercased() == "localhost" else { return nil }
            path = String(decoding: String(rest[host.endIndex...]).percentDecoded, as: UTF8.self)
        } else if url.contains("://") {
            return nil
        } else {
            path = url
        }
        let isInput = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(path)
        self = isInput ? .standardInput : .path(path)
    }
}
