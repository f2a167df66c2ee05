/// One way of delivery, as a `Transport` header offers or agrees it (RFC 2326 section 12.39, RFC 7826 section 18.54).
package struct RTSPTransport: Hashable, Sendable {
    package enum Lower: Hashable, Sendable { case udp, tcp }

    /// `RTP/AVP`, `RTP/SAVP`, `RTP/AVPF` or whatever else was written, in upper case and without the lower transport.
    package var profile = "RTP/AVP"
    package var lower = Lower.udp
    /// `nil` where neither `unicast` nor `multicast` is written. RFC 2326 makes that multicast; servers that leave it
    /// out mean unicast.
    package var isMulticast: Bool?
    /// Channels of the interleaved frames; equal ends where only one is given.
    package var interleaved: ClosedRange<UInt8>?
    /// UDP ports of the client, of the server and, for multicast, of the group; equal ends where only one is given.
    package var clientPorts: ClosedRange<UInt16>?
    package var serverPorts: ClosedRange<UInt16>?
    package var groupPorts: ClosedRange<UInt16>?
    /// Addresses as written; never empty.
    package var source: String?
    package var destination: String?
    package var ssrc: UInt32?
    /// `PLAY` or `RECORD`, in upper case.
    package var mode: String?
    package var timeToLive: UInt8?
    /// `dest_addr` and `src_addr` of RTSP 2.0: `host:port`, `:port`, `[v6]:port`.
    package var destinationAddresses: [String] = []
    package var sourceAddresses: [String] = []

    package init() {}

    /// Interleaved on two channels, as a client asks for it.
    package static func interleaved(_ channels: ClosedRange<UInt8>) -> RTSPTransport {
        var transport = RTSPTransport()
        transport.lower = .tcp
        transport.isMulticast = false
        transport.interleaved = channels
        return transport
    }

    /// UDP to two ports of the client.
    package static func udp(clientPorts: ClosedRange<UInt16>) -> RTSPTransport {
        var transport = RTSPTransport()
        transport.isMulticast = false
        transport.clientPorts = clientPorts
        return transport
    }
}

extension RTSPTransport {
    /// One alternative of the header. `nil` when it does not begin with a protocol.
    ///
    /// What cannot be read in it counts as not written: cameras send `source=` with nothing behind it, SSRCs of five
    /// digits or with `0x` or spaces before them, and a comma where a semicolon belongs.
    init?(parsing text: Substring) {
        var parameters = text.parts(separatedBy: UInt8(ascii: ";"), limit: 64)[...]
        guard let specification = parameters.popFirst() else { return nil }
        let words = specification.parts(separatedBy: UInt8(ascii: "/"), limit: 8)
        guard words.count >= 2, words.allSatisfy({ $0.utf8.allSatisfy { $0.isLetter || $0.isDigit || $0 == 0x2D } })
        else { return nil }
        if words.count > 2, words[2].equalsIgnoringCase("TCP") { lower = .tcp }
        profile = RTSPMethod(rawValue: "\(words[0])/\(words[1])").rawValue
        for text in parameters { take(HeaderParameter(parsing: text)) }
        // A channel is where it is agreed, whatever the lower transport is said to be.
        if interleaved != nil { lower = .tcp }
    }

    private mutating func take(_ parameter: HeaderParameter) {
        let value = parameter.value ?? ""
        let address = value.isEmpty ? nil : value
        switch parameter.name.asciiLowercased {
        case "unicast": isMulticast = false
        case "multicast": isMulticast = true
        case "interleaved": interleaved = interleaved ?? Self.range(value)
        case "client_port": clientPorts = clientPorts ?? Self.range(value)
        case "server_port": serverPorts = serverPorts ?? Self.range(value)
        case "port": groupPorts = groupPorts ?? Self.range(value)
        case "source": source = source ?? address
        case "destination": destination = destination ?? address
        case "ssrc": ssrc = ssrc ?? Self.hexadecimal(value)
        case "mode": mode = mode ?? address.map { RTSPMethod(rawValue: String($0.trimmed)).rawValue }
        case "ttl": timeToLive = timeToLive ?? value.decimal.flatMap { UInt8(exactly: $0) }
        case "dest_addr": destinationAddresses = Self.addresses(value)
        case "src_addr": sourceAddresses = Self.addresses(value)
        default: break
        }
    }

    /// `5000-5001`, `5000` or `5000-`; spaces may stand anywhere.
    private static func range<Number: FixedWidthInteger>(_ text: String) -> ClosedRange<Number>? {
        let (first, second) = text.cut(at: UInt8(ascii: "-"))
        guard let lower = first.trimmed.decimal.flatMap({ Number(exactly: $0) }) else { return nil }
        guard let upper = second?.trimmed.leadingDecimal.flatMap({ Number(exactly: $0) }) else { return lower...lower }
        return lower <= upper ? lower...upper : nil
    }

    /// At most eight digits; fewer are a number without its leading zeros.
    static func hexadecimal(_ text: String) -> UInt32? {
        var digits = text.trimmed.utf8
        if Substring(digits).startsIgnoringCase(with: "0x") { digits = digits.dropFirst(2) }
        guard !digits.isEmpty, digits.count <= 8 else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            guard let digit = digit.hexValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// `"192.0.2.5:3456"/"192.0.2.5:3457"`.
    private static func addresses(_ text: String) -> [String] {
        let plain = String(decoding: text.utf8.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
        return plain.parts(separatedBy: UInt8(ascii: "/"), limit: 8).map(String.init)
    }
}

extension RTSPTransport: CustomStringConvertible {
    private static let separators = Array(";,\"'\\".utf8)

    private static func clean(_ text: String) -> String {
        String(decoding: text.utf8.filter { $0 > 0x20 && $0 != 0x7F && !separators.contains($0) }, as: UTF8.self)
    }

    /// As it is written in the header.
    package var description: String {
        var text = profile + (lower == .tcp ? "/TCP" : "")
        func add(_ name: String, _ range: ClosedRange<some FixedWidthInteger>?) {
            guard let range else { return }
            text +=
                ";\(name)=\(range.lowerBound)" + (range.lowerBound == range.upperBound ? "" : "-\(range.upperBound)")
        }
        func add(_ name: String, _ value: String?) {
            // What came from elsewhere must not become another parameter.
            let clean = value.map(Self.clean) ?? ""
            if !clean.isEmpty { text += ";\(name)=\(clean)" }
        }
        if let isMulticast { text += isMulticast ? ";multicast" : ";unicast" }
        add("destination", destination)
        add("source", source)
        add("interleaved", interleaved)
        add("port", groupPorts)
        add("client_port", clientPorts)
        add("server_port", serverPorts)
        add("ttl", timeToLive.map { "\($0)" })
        add(
            "ssrc",
            ssrc.map { number in
                let digits = String(number, radix: 16, uppercase: true)
                return String(repeating: "0", count: 8 - digits.utf8.count) + digits
            })
        func addAddresses(_ name: String, _ addresses: [String]) {
            let clean = addresses.map(Self.clean).filter { !$0.isEmpty }
            if !clean.isEmpty { text += ";\(name)=\(clean.map { "\"\($0)\"" }.joined(separator: "/"))" }
        }
        addAddresses("dest_addr", destinationAddresses)
        addAddresses("src_addr", sourceAddresses)
        if let mode, mode.utf8.allSatisfy({ $0.isLetter || $0.isDigit }) { text += ";mode=\"\(mode)\"" }
        return text
    }
}
