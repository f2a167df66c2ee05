/// An `rtsp` or `rtsps` URL, taken apart; or one of `rtspt` or `rtspu`, which many players know: RTSP with the media over
/// TCP, or over UDP.
package struct RTSPAddress: Hashable, Sendable {
    /// As servers know it: `rtsp` or `rtsps`, without user, password and fragment.
    package let url: String
    package let host: String
    /// Path and query, without a slash at the end.
    package let path: String
    package let port: Int
    package let usesTLS: Bool
    package let user: String?
    package let password: String?
    /// How the media is to come, where the scheme says so.
    package let lower: RTSPTransport.Lower?

    /// Nil for what is no such URL: another scheme, no host, a port that is none.
    package init?(_ text: String) {
        guard text.utf8.count <= 8192, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { return nil }
        let reference = URLReference(text)
        switch reference.scheme?.lowercased() {
        case "rtsp": (usesTLS, lower) = (false, nil)
        case "rtspt": (usesTLS, lower) = (false, .tcp)
        case "rtspu": (usesTLS, lower) = (false, .udp)
        case "rtsps": (usesTLS, lower) = (true, nil)
        default: return nil
        }
        var bare = reference.withoutUser
        if lower != nil { bare.scheme = "rtsp" }
        bare.fragment = nil
        guard let authority = bare.authority, !authority.isEmpty else { return nil }
        url = bare.description
        let place = bare.path + (bare.query.map { "?\($0)" } ?? "")
        path = place.hasSuffix("/") ? String(place.dropLast()) : place
        let afterHost: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            afterHost = authority[authority.index(after: end)...]
        } else {
            host = String(authority.prefix { $0 != ":" })
            afterHost = authority[authority.index(authority.startIndex, offsetBy: host.count)...]
        }
        guard !host.isEmpty else { return nil }
        if afterHost.isEmpty || afterHost == ":" {
            port = usesTLS ? 322 : 554
        } else {
            guard let number = Int(afterHost.dropFirst()), (1...65535).contains(number) else { return nil }
            port = number
        }
        if let whole = reference.authority, let at = whole.lastIndex(of: "@") {
            let credentials = whole[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = credentials.first.map { String(decoding: String($0).percentDecoded, as: UTF8.self) }
            password =
                credentials.count > 1 ? String(decoding: String(credentials[1]).percentDecoded, as: UTF8.self) : nil
        } else {
            user = nil
            password = nil
        }
    }

    /// Whether a URL asks for RTSP.
    package static func isRTSP(_ url: String) -> Bool {
        ["rtsp://", "rtsps://", "rtspt://", "rtspu://"].contains { url.lowercased().hasPrefix($0) }
    }
}
