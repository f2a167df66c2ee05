package import ThroughlineCore

/// An SEI message of unregistered user data: a name of 16 bytes, and bytes that mean something to whoever knows it
/// (H.264 sections D.1.7 and D.2.7, H.265 sections D.2.7 and D.3.7; payload type 5).
package struct UserDataMessage: Hashable, Sendable {
    /// The name of Throughline's own messages, 9c21f69b-ceb3-44b6-9f6e-07cf9b0c382d; what follows it is an
    /// `IndicatorMessage` in binary.
    package static let indicatorName: [UInt8] = [
        0x9C, 0x21, 0xF6, 0x9B, 0xCE, 0xB3, 0x44, 0xB6, 0x9F, 0x6E, 0x07, 0xCF, 0x9B, 0x0C, 0x38, 0x2D,
    ]
    /// Longer data is not read: Throughline's own has at most 2065 bytes, and encoders put in their whole settings.
    package static let longestData = 4096
    /// Messages of one access unit beyond this are not looked at.
    package static let mostMessages = 256

    private static let payloadType = 5
    private static let nameSize = 16

    /// 16 bytes.
    package let name: [UInt8]
    package let data: [UInt8]

    /// Nil when the name has not 16 bytes, or the data is longer than would be read.
    package init?(name: [UInt8], data: [UInt8]) {
        guard name.count == Self.nameSize, data.count <= Self.longestData else { return nil }
        self.name = name
        self.data = data
    }

    package init(_ message: IndicatorMessage) {
        name = Self.indicatorName
        data = message.bytes
    }
}

// MARK: Reading

extension UserDataMessage {
    /// The messages with one name in an access unit, in their order. Reads SEI units only, and copies nothing else.
    ///
    /// A unit that is cut short gives the messages before the cut; so does an access unit whose framing breaks.
    package static func messages(
        named name: [UInt8] = indicatorName, in accessUnit: UnsafeRawBufferPointer, codec: VideoCodec,
        framing: NALUnitIterator.Framing
    ) -> [UserDataMessage] {
        var found: [UserDataMessage] = []
        var count = 0
        var units = NALUnitIterator(accessUnit, framing: framing)
        while let range = units.next(), count < mostMessages {
            let unit = accessUnit.part(range)
            guard let header = NALUnitHeader(unit, codec: codec), header.kind == .supplementalInformation else {
                continue
            }
            var reader = BitReader(unit.part(header.size..<unit.count), removingEmulationPrevention: true)
            do throws(BitstreamError) {
                while count < mostMessages {
                    let (type, size) = try head(&reader)
                    count += 1
                    let isWanted = type == payloadType && (nameSize...nameSize + longestData).contains(size)
                    if let message = try body(&reader, size: size, name: isWanted ? name : nil) {
                        found.append(message)
                    }
                }
            } catch {
                // The end of the unit: its stop bit reads as the type of a message that has no size.
            }
        }
        return found
    }

    /// The part of an access unit that messages can stand in: what is before its first slice; nil when there is none with
    /// messages. Looks at headers only where units tell their length, and no further than the first slice anywhere.
    package static func lead(
        of accessUnit: UnsafeRawBufferPointer, codec: VideoCodec, framing: NALUnitIterator.Framing
    ) -> UnsafeRawBufferPointer? {
        var hasMessages = false
        /// Whether this is the first slice, or broken.
        func isBehind(_ unit: UnsafeRawBufferPointer) -> Bool {
            guard let header = NALUnitHeader(unit, codec: codec) else { return true }
            if header.kind == .supplementalInformation { hasMessages = true }
            return header.kind == .slice
        }
        var at = 0
        switch framing {
        case .lengthPrefixes(let size):
            while accessUnit.count - at > size {
                var length = 0
                for index in at..<at + size { length = length << 8 | Int(accessUnit[index]) }
                let start = at + size
                guard length <= accessUnit.count - start else { break }
                if length > 0, isBehind(accessUnit.part(start..<start + min(length, 2))) { break }
                at = start + length
            }
        case .startCodes:
            var zeros = 0
            var index = 0
            while index < accessUnit.count {
                let byte = accessUnit[index]
                index += 1
                if byte == 1, zeros >= 2 {
                    at = index - 3
                    if isBehind(accessUnit.part(index..<min(accessUnit.count, index + 2))) { break }
                    at = accessUnit.count
                }
                zeros = byte == 0 ? zeros + 1 : 0
            }
        }
        return hasMessages ? accessUnit.part(0..<at) : nil
    }

    /// Throughline's own messages in an access unit.
    package static func indicators(
        in accessUnit: UnsafeRawBufferPointer, codec: VideoCodec, framing: NALUnitIterator.Framing
    ) -> [Indicator] {
        guard let lead = lead(of: accessUnit, codec: codec, framing: framing) else { return [] }
        return messages(in: lead, codec: codec, framing: framing).compactMap { message in
            message.data.withUnsafeBytes { IndicatorMessage($0) }?.indicator(.userData)
        }
    }

    /// Type and size of a message (H.264 section 7.3.2.3.1, H.265 section 7.3.5): bytes of 255, then the rest.
    private static func head(_ reader: inout BitReader) throws(BitstreamError) -> (type: Int, size: Int) {
        func number(_ reader: inout BitReader) throws(BitstreamError) -> Int {
            var number = 0
            while true {
                let byte = Int(try reader.bits(8))
                number += byte
                guard number <= 1 << 24 else { throw .outOfRange }
                if byte != 255 { return number }
            }
        }
        return (try number(&reader), try number(&reader))
    }

    /// - Parameter name: nil to pass over the message.
    /// - Returns: nil when it was passed over, or has another name.
    private static func body(
        _ reader: inout BitReader, size: Int, name: [UInt8]?
    ) throws(BitstreamError) -> UserDataMessage? {
        guard let name else {
            try reader.skip(size * 8)
            return nil
        }
        var found: [UInt8] = []
        for _ in 0..<nameSize { found.append(UInt8(truncatingIfNeeded: try reader.bits(8))) }
        guard found == name else {
            try reader.skip((size - nameSize) * 8)
            return nil
        }
        var data: [UInt8] = []
        data.reserveCapacity(size - nameSize)
        for _ in nameSize..<size { data.append(UInt8(truncatingIfNeeded: try reader.bits(8))) }
        return UserDataMessage(name: name, data: data)
    }
}

// MARK: Writing

extension UserDataMessage {
    /// A whole NAL unit with this message and no other: H.264 type 6, HEVC type 39 (prefix SEI) of the base layer.
    package func unit(_ codec: VideoCodec) -> [UInt8] {
        var unit: [UInt8] =
            switch codec {
            case .h264: [0x06]
            case .hevc: [39 << 1, 0x01]
            }
        var payload = [UInt8(Self.payloadType)]
        let size = name.count + data.count
        payload += Array(repeating: 0xFF, count: size / 255)
        payload.append(UInt8(size % 255))
        payload += name
        payload += data
        // rbsp_trailing_bits.
        payload.append(0x80)
        var zeros = 0
        for byte in payload {
            if zeros >= 2, byte <= 3 {
                unit.append(3)
                zeros = 0
            }
            unit.append(byte)
            zeros = byte == 0 ? zeros + 1 : 0
        }
        return unit
    }

    /// The access unit with this message before its first slice, where both standards want it (H.264 section
    /// 7.4.1.2.3, H.265 section 7.4.2.4.4). Everything else stays as it is, byte for byte.
    ///
    /// Nil without a slice, with broken framing, and when the unit does not fit into the lengths.
    package func inserted(
        into accessUnit: UnsafeRawBufferPointer, codec: VideoCodec, framing: NALUnitIterator.Framing
    ) -> [UInt8]? {
        var units = NALUnitIterator(accessUnit, framing: framing)
        var place: Int?
        while let range = units.next() {
            guard let header = NALUnitHeader(accessUnit.part(range), codec: codec) else { return nil }
            // A prefix NAL unit belongs to the slice after it (H.264 section G.7.4.1.2.3).
            guard place == nil, header.kind == .slice || codec == .h264 && header.type == 14 else { continue }
            switch framing {
            case .startCodes:
                // Before the zero byte of a long start code, if there is one.
                let code = range.lowerBound - 3
                place = code > 0 && accessUnit[code - 1] == 0 ? code - 1 : code
            case .lengthPrefixes(let size): place = range.lowerBound - size
            }
        }
        guard let place, !units.isMalformed else { return nil }
        let unit = unit(codec)
        var prefix: [UInt8] = [0, 0, 0, 1]
        if case .lengthPrefixes(let size) = framing {
            guard unit.count >> (8 * size) == 0 else { return nil }
            prefix = []
            prefix.append(bigEndian: UInt64(unit.count), count: size)
        }
        return Array(accessUnit[..<place]) + prefix + unit + Array(accessUnit[place...])
    }
}
