package import ThroughlineCore

/// One `m=` section of a session description (RFC 8866 section 5.14).
package struct MediaDescription: Hashable, Sendable {
    /// Which way the media goes, seen from the server; RTSP ignores it, but for a back channel (`sendonly` in what a
    /// camera describes is what the client may send).
    package enum Direction: String, Hashable, Sendable, CaseIterable {
        case sendReceive = "sendrecv"
        case sendOnly = "sendonly"
        case receiveOnly = "recvonly"
        case inactive
    }

    /// `video`, `audio`, `application`, `text`, in lower case.
    package var media: String
    /// 0 where the transport decides, which it does with RTSP, and where the port is none.
    package var port: UInt16
    /// `RTP/AVP`, `RTP/SAVP`, `udp`, in upper case.
    package var transportProtocol: String
    /// The formats that are payload types, 0 to 127, in order of preference.
    package var payloadTypes: [UInt8]
    /// `c=`, without the line's type.
    package var connection: String?
    package var bandwidths: [SDPBandwidth] = []
    /// All attributes in order, also those that have a property of their own here.
    package var attributes: [SDPAttribute] = []

    package init(media: String, port: UInt16 = 0, transportProtocol: String = "RTP/AVP", payloadTypes: [UInt8]) {
        self.media = media
        self.port = port
        self.transportProtocol = transportProtocol
        self.payloadTypes = payloadTypes
    }

    /// The value of `m=`: `video 0 RTP/AVP 96 97`, `video 49170/2 RTP/AVP 31`. What is no port and no payload type in it
    /// is passed over; `nil` when there is no word at all.
    init?(parsing text: Substring) {
        let words = text.parts(separatedBy: 0x20, limit: 64)
        guard let media = words.first else { return nil }
        self.media = media.asciiLowercased
        port = words.dropFirst().first?.leadingDecimal.flatMap { UInt16(exactly: $0) } ?? 0
        transportProtocol = words.count > 2 ? RTSPMethod(rawValue: String(words[2])).rawValue : "RTP/AVP"
        var types: [UInt8] = []
        for word in words.dropFirst(3) {
            if let type = word.decimal, type < 128, !types.contains(UInt8(type)) { types.append(UInt8(type)) }
        }
        payloadTypes = types
    }
}

extension MediaDescription {
    package var control: String? { attributes.value("control") }

    package var range: RTSPRange? { attributes.value("range").flatMap { RTSPRange($0) } }

    /// Frames per second, where it is a positive number. Of several the first that can be read.
    package var frameRate: Rate? {
        attributes.values("framerate").lazy.compactMap { Rate(decimal: $0) }.first { $0 > Rate(0) }
    }

    package var direction: Direction? {
        Direction.allCases.first { attributes.contains(named: $0.rawValue) }
    }

    package var language: String? { attributes.value("lang") }

    /// `a=source-filter` (RFC 4570), for source-specific multicast.
    package var sourceFilter: String? { attributes.value("source-filter") }

    /// Bits per second: `b=TIAS`, else `b=AS`, which counts in thousands and with the headers of IP, UDP and RTP.
    package var bitsPerSecond: Int64? { bandwidths.bitsPerSecond }

    /// What a payload type stands for: by its `a=rtpmap`, by the static table, or by what only one encoding writes into
    /// its `a=fmtp`.
    package func rtpMap(for payloadType: UInt8) -> RTPMap? {
        for value in attributes.values("rtpmap") {
            if let map = RTPMap(parsing: value), map.payloadType == payloadType { return map }
        }
        if let map = RTPMap.fixed(payloadType) { return map }
        guard let format = formatParameters(for: payloadType)?.asciiLowercased else { return nil }
        func says(_ name: String) -> Bool {
            format.parts(separatedBy: UInt8(ascii: ";"), limit: 64).contains { $0.startsIgnoringCase(with: name) }
        }
        if says("sprop-vps=") { return RTPMap(payloadType: payloadType, encoding: "H265", clockRateHz: 90_000) }
        if says("sprop-parameter-sets=") {
            return RTPMap(payloadType: payloadType, encoding: "H264", clockRateHz: 90_000)
        }
        return nil
    }

    /// The payload type to use: the first for which it is known what it stands for. Where the `m=` line names none that
    /// can be read, the first `a=rtpmap` does.
    package var preferredMap: RTPMap? {
        for type in payloadTypes { if let map = rtpMap(for: type) { return map } }
        return payloadTypes.isEmpty ? attributes.values("rtpmap").lazy.compactMap { RTPMap(parsing: $0) }.first : nil
    }

    /// The value of `a=fmtp` without the payload type.
    package func formatParameters(for payloadType: UInt8) -> String? {
        for value in attributes.values("fmtp") {
            let digits = Substring(value.utf8.prefix { $0.isDigit })
            let rest = value[digits.endIndex...]
            if digits.decimal == Int64(payloadType), rest.utf8.first?.isBlank ?? true { return String(rest.trimmed) }
        }
        return nil
    }
}
