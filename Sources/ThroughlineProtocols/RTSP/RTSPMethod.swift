/// What a request asks for (RFC 2326 section 10, RFC 7826 section 13). Extensions are allowed, so any word is a method.
package struct RTSPMethod: RawRepresentable, Hashable, Sendable {
    /// In upper case: methods are case-sensitive, but some servers list them in `Public` as they like.
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = String(
            decoding: rawValue.utf8.map { $0.isLetter ? $0 & ~0x20 : $0 }, as: UTF8.self)
    }

    package static let options = RTSPMethod(rawValue: "OPTIONS")
    package static let describe = RTSPMethod(rawValue: "DESCRIBE")
    package static let announce = RTSPMethod(rawValue: "ANNOUNCE")
    package static let setup = RTSPMethod(rawValue: "SETUP")
    package static let play = RTSPMethod(rawValue: "PLAY")
    package static let pause = RTSPMethod(rawValue: "PAUSE")
    package static let teardown = RTSPMethod(rawValue: "TEARDOWN")
    package static let getParameter = RTSPMethod(rawValue: "GET_PARAMETER")
    package static let setParameter = RTSPMethod(rawValue: "SET_PARAMETER")
    package static let redirect = RTSPMethod(rawValue: "REDIRECT")
    package static let record = RTSPMethod(rawValue: "RECORD")
    package static let playNotify = RTSPMethod(rawValue: "PLAY_NOTIFY")

    package static let known: [RTSPMethod] = [
        .options, .describe, .announce, .setup, .play, .pause, .teardown, .getParameter, .setParameter, .redirect,
        .record, .playNotify,
    ]
}

extension RTSPMethod: CustomStringConvertible {
    package var description: String { rawValue }
}
