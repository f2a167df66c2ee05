/// The URLs that control a presentation and its media, from what a DESCRIBE was answered with (RFC 2326 section C.1.1).
package struct RTSPControlURLs: Hashable, Sendable {
    /// Controls all media together: for PLAY, PAUSE, TEARDOWN and the keep-alive.
    package let aggregate: String

    private let mediaBase: URLReference

    /// The base is `Content-Base`, else `Content-Location`, else the URL that was asked for; a user in it is left out.
    ///
    /// Mended in the headers, as servers are known to send them: a missing scheme (`192.0.2.1:554/stream0/`), a scheme
    /// written twice (`rtsp://rtsp://host/`), a relative URL, and a host that means nothing here (`0.0.0.0`, loopback).
    ///
    /// - Parameters:
    ///   - requestURL: absolute.
    ///   - sessionControl: the `a=control` of the session; where it is an absolute URL, media count from it.
    package init(
        requestURL: String, contentBase: String? = nil, contentLocation: String? = nil, sessionControl: String? = nil
    ) {
        let request = URLReference(requestURL).withoutUser
        var base = request
        base.fragment = nil
        for header in [contentBase, contentLocation] {
            guard let header = header?.unquoted.trimmed, !header.isEmpty, header != "*" else { continue }
            base = Self.mended(header, request: request)
            break
        }
        let control = sessionControl?.unquoted.trimmed ?? ""
        if control.utf8.contains(UInt8(ascii: ":")), URLReference(control).scheme != nil {
            mediaBase = Self.mended(control, request: request)
            aggregate = mediaBase.description
        } else {
            mediaBase = base
            aggregate = Self.candidates(for: control, base: base).first ?? base.description
        }
    }

    /// URLs to try for one of the media, the likeliest first; at least one and at most three.
    ///
    /// RFC 3986 would replace the last part of the base; what servers mean, and every client does, is to append:
    ///
    ///     base                    control       first                             then
    ///     rtsp://cam/live/        trackID=1     rtsp://cam/live/trackID=1
    ///     rtsp://cam/live         trackID=1     rtsp://cam/live/trackID=1         rtsp://cam/trackID=1
    ///     rtsp://cam/live?x=1     trackID=1     rtsp://cam/live?x=1/trackID=1     rtsp://cam/live/trackID=1?x=1, ...
    ///     rtsp://cam/live         /live/1       rtsp://cam/live/1                 rtsp://cam/live/live/1
    ///     any                     rtsp://b/1    rtsp://b/1
    ///     any                     *, none       the aggregate
    package func candidates(for control: String?) -> [String] {
        let text = control?.unquoted.trimmed ?? ""
        if text.isEmpty || text == "*" { return [aggregate] }
        return Self.candidates(for: text, base: mediaBase)
    }

    private static func candidates(for control: Substring, base: URLReference) -> [String] {
        if control.isEmpty || control == "*" { return [base.description] }
        let reference = URLReference(control)
        if reference.scheme != nil { return [mended(control, request: base).description] }
        func appended(_ text: String) -> String {
            let ends = text.utf8.last == UInt8(ascii: "/")
            let begins = control.utf8.first == UInt8(ascii: "/")
            return text + (ends || begins ? "" : "/") + (ends && begins ? control.dropFirst() : control)
        }
        let resolved = reference.resolved(against: base).description
        let atEnd = appended(base.description)
        var urls: [String]
        switch control.utf8.first {
        case UInt8(ascii: "/"): urls = [resolved, atEnd]
        case UInt8(ascii: "?"): urls = [resolved, atEnd]
        default:
            urls = [atEnd]
            if base.query != nil {
                var inside = base
                inside.path = appended(base.path)
                urls.append(inside.description)
            }
            urls.append(resolved)
        }
        var unique: [String] = []
        for url in urls where !unique.contains(url) { unique.append(url) }
        return unique
    }

    private static func mended(_ text: Substring, request: URLReference) -> URLReference {
        var text = text
        let scheme = (request.scheme ?? "rtsp") + "://"
        for _ in 0..<4 {
            guard let inner = ["rtsp://", "rtsps://", "rtspu://"].first(where: { text.startsIgnoringCase(with: $0) })
            else { break }
            let rest = Substring(text.utf8.dropFirst(inner.utf8.count))
            guard URLReference(rest).scheme != nil else { break }
            text = rest
        }
        var url = URLReference(text).withoutUser
        if url.scheme == nil, url.authority == nil {
            let host = Substring(text.utf8.prefix { $0 != UInt8(ascii: "/") })
            url =
                looksLikeHost(host)
                ? URLReference(scheme + text).withoutUser : URLReference(text).resolved(against: request)
        }
        if url.scheme == nil { url.scheme = request.scheme }
        let host = url.host?.cut(at: UInt8(ascii: ":")).head ?? ""
        if host.isEmpty || host == "0.0.0.0" || host.hasPrefix("127.") || host.equalsIgnoringCase("localhost") {
            url.authority = request.host ?? url.authority
        }
        url.fragment = nil
        return url
    }

    /// `name:554`, `192.0.2.1`.
    private static func looksLikeHost(_ text: Substring) -> Bool {
        let (name, port) = text.cut(at: UInt8(ascii: ":"))
        guard !name.isEmpty else { return false }
        if let port { return (port.decimal ?? 0) > 0 && !name.utf8.contains(UInt8(ascii: "=")) }
        let numbers = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers.allSatisfy { (Substring($0).decimal ?? 256) < 256 }
    }
}
