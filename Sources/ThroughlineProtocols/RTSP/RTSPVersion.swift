/// The protocol of a message: `RTSP/1.0`, `RTSP/2.0`, or `HTTP/1.1` where a web server answers on the port.
package struct RTSPVersion: Hashable, Sendable {
    package enum ProtocolName: String, Hashable, Sendable {
        case rtsp = "RTSP"
        case http = "HTTP"
    }

    package var name: ProtocolName
    package var major: UInt8
    package var minor: UInt8

    package static let rtsp1 = RTSPVersion(name: .rtsp, major: 1, minor: 0)
    package static let rtsp2 = RTSPVersion(name: .rtsp, major: 2, minor: 0)

    package init(name: ProtocolName, major: UInt8, minor: UInt8) {
        self.name = name
        self.major = major
        self.minor = minor
    }

    /// `RTSP/1.0`, in any case; `RTSP` or `RTSP/` alone is taken as 1.0.
    package init?(_ text: Substring) {
        let (word, number) = text.cut(at: UInt8(ascii: "/"))
        if word.equalsIgnoringCase("RTSP") {
            name = .rtsp
        } else if word.equalsIgnoringCase("HTTP"), number != nil {
            name = .http
        } else {
            return nil
        }
        guard let number, !number.isEmpty else {
            (major, minor) = (1, 0)
            return
        }
        let (first, second) = number.cut(at: UInt8(ascii: "."))
        guard let major = first.decimal.flatMap({ UInt8(exactly: $0) }),
            let minor = (second ?? "0").decimal.flatMap({ UInt8(exactly: $0) })
        else { return nil }
        self.major = major
        self.minor = minor
    }
}

extension RTSPVersion: CustomStringConvertible {
    package var description: String { "\(name.rawValue)/\(major).\(minor)" }
}
