/// A description made of chosen flows, for a demuxer that is given their RTP packets in one stream and tells the flows
/// apart by payload type alone.
package struct ReducedDescription: Hashable, Sendable {
    package struct Flow: Hashable, Sendable {
        package var medium: MediaDescription
        /// What the packets carry when they come; their payload type is replaced by the one assigned here.
        package var map: RTPMap
        /// Unique among the flows.
        package var payloadType: UInt8
    }

    package var flows: [Flow]

    /// What libavformat unpacks under its static payload type only, whatever `a=rtpmap` says.
    private static let fixed: [(encoding: String, payloadType: UInt8)] = [
        ("QCELP", 12), ("MPA", 14), ("MPV", 32), ("MP2T", 33), ("H263", 34),
    ]

    /// Gives each medium a payload type of its own: 96 and upwards, or the static one of an encoding that needs it.
    ///
    /// Left out are a medium of which it is not known what it carries, any after the 31st with a dynamic type, and the
    /// second medium of an encoding that needs its static type: the demuxer could not tell it from the first.
    package init(_ media: [MediaDescription]) {
        flows = []
        var next: UInt8 = 96
        for medium in media {
            guard let map = medium.preferredMap else { continue }
            if let needed = Self.fixed.first(where: { map.encoding.equalsIgnoringCase($0.encoding) })?.payloadType {
                if flows.contains(where: { $0.payloadType == needed }) { continue }
                flows.append(Flow(medium: medium, map: map, payloadType: needed))
            } else if next < 127 {
                flows.append(Flow(medium: medium, map: map, payloadType: next))
                next += 1
            }
        }
    }

    package init(flows: [Flow]) { self.flows = flows }

    /// Attributes that say how to read the payload, and begin with the payload type.
    private static let renumbered = ["fmtp", "framesize"]
    /// Attributes that say how to read or show the media.
    private static let kept = ["framerate", "ptime", "maxptime", "lang", "x-dimensions", "cliprect", "quality"]

    /// The text, with CR LF. What a server wrote is taken over without control characters, and values that are long
    /// beyond sense (16 KiB) are left out.
    package func serialized() -> [UInt8] {
        var text = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        func add(_ name: String, _ value: String) {
            guard value.utf8.count <= 16 << 10 else { return }
            let clean = value.utf8.map { $0.isControl ? 0x20 : $0 }
            text += "a=\(name):\(String(decoding: clean, as: UTF8.self))\r\n"
        }
        for flow in flows {
            let letters = flow.medium.media.utf8.prefix(32).filter { $0.isLetter }
            let media = letters.isEmpty ? "application" : String(decoding: letters, as: UTF8.self)
            // Ports mean nothing here, but 0 would mean that the medium is refused.
            text += "m=\(media) 9 RTP/AVP \(flow.payloadType)\r\n"
            if let bits = flow.medium.bitsPerSecond { text += "b=AS:\(bits / 1000)\r\n" }
            var map = flow.map
            map.payloadType = flow.payloadType
            add("rtpmap", map.description)
            for attribute in flow.medium.attributes {
                guard let value = attribute.value else { continue }
                if Self.renumbered.contains(where: { attribute.name.equalsIgnoringCase($0) }) {
                    let digits = Substring(value.utf8.prefix { $0.isDigit })
                    guard digits.decimal == Int64(flow.map.payloadType) else { continue }
                    add(attribute.name.asciiLowercased, "\(flow.payloadType)\(value[digits.endIndex...])")
                } else if Self.kept.contains(where: { attribute.name.equalsIgnoringCase($0) }) {
                    add(attribute.name.asciiLowercased, value)
                }
            }
        }
        return Array(text.utf8)
    }
}
