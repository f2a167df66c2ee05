import Glibc

@testable import ThroughlineProtocols

/// What a server was seen to send: a file in `Fixtures/rtsp`.
///
/// The files hold messages with LF, parted by lines of four dashes; here they become what was on the wire, with CR LF
/// and with the length of the body in place of the star.
struct ServerTranscript {
    let bytes: [UInt8]

    init?(_ name: String) {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        guard let file = fopen("/\(root)/Fixtures/rtsp/\(name).txt", "rb") else { return nil }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 1 << 16)
        text.removeLast(text.count - fread(&text, 1, text.count, file))
        bytes = String(decoding: text, as: UTF8.self).split(separator: "----\n").flatMap { message in
            let message = wire(String(message))
            let parts = String(decoding: message, as: UTF8.self).utf8
            let end = parts.indices.first { parts[$0...].starts(with: [13, 10, 13, 10]) }
            let length = end.map { parts[$0...].count - 4 } ?? 0
            return Array(
                String(decoding: message, as: UTF8.self).replacing("ength: *", with: "ength: \(length)").utf8)
        }
    }

    static let names = [
        "axis", "cable-server-notices", "camera-bare-media", "camera-double-slash", "camera-empty-source",
        "camera-hexadecimal-prefix", "camera-short-ssrc", "dahua-back-channel", "darwin", "evostream-unifi",
        "gstreamer", "helix", "hikvision", "icamra-base-with-two-schemes", "live555", "luma-blank-line-with-a-space",
        "mediamtx", "reolink-track-slash", "sv3c-base-without-scheme", "tplink-private-format",
        "uniview-incomplete-lines", "victure-comma-in-transport", "vstarcam-no-rtp-info", "wowza",
    ]

    /// The messages, by way of the framer, in pieces of 100 bytes.
    var messages: [RTSPMessage] {
        var framer = RTSPFramer()
        return (framer.framed(bytes, pieces: 100) + framer.finished()).compactMap {
            if case .message(let message) = $0, framer.skippedBytes == 0 { message } else { nil }
        }
    }
}

/// Everything that this room makes of a conversation, as a player asks for it.
struct ServerReading {
    var description: SessionDescription?
    var urls: RTSPControlURLs?
    var transport: RTSPTransport?
    var session: RTSPSessionHeader?
    var range: RTSPRange?
    var info: RTPInfo?
    var messages: [RTSPMessage]

    init(_ name: String, requestURL: String = "rtsp://192.0.2.1/x") throws {
        guard let transcript = ServerTranscript(name) else { throw Missing(name: name) }
        messages = transcript.messages
        for message in messages {
            let headers = message.headers
            if headers.contentType == "application/sdp", let found = SessionDescription(parsing: message.body) {
                description = found
                urls = found.controlURLs(requestURL: requestURL, headers: headers)
            }
            transport = headers.transport?.alternatives.first ?? transport
            session = headers.session ?? session
            range = headers.range ?? range
            info = headers.rtpInfo ?? info
        }
    }

    struct Missing: Error { var name: String }

    /// The URLs to set up.
    var controls: [String?] { description?.media.map { urls?.candidates(for: $0.control).first } ?? [] }
    var encodings: [String?] { description?.media.map(\.preferredMap?.encoding) ?? [] }
}
