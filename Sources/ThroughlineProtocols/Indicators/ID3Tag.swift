package import ThroughlineCore

/// An ID3 tag of version 2.3 or 2.4 (id3.org, "ID3 tag version 2.3.0" and "2.4.0, main structure"), as it stands in
/// front of audio, between its frames, and in the timed metadata of HLS.
///
/// Older tags (2.2) are told, measured and passed over: they have no frames here.
package struct ID3Tag: Hashable, Sendable {
    /// Larger tags, which hold pictures, are not read.
    package static let largest = 64 << 10
    package static let mostFrames = 64

    /// One frame; what is compressed or encrypted is left out.
    package struct Frame: Hashable, Sendable {
        /// Four characters of A to Z and 0 to 9.
        package let identifier: String
        /// Without header, flags and unsynchronisation.
        package let data: [UInt8]

        package init(identifier: String, data: [UInt8]) {
            self.identifier = identifier
            self.data = data
        }
    }

    package var frames: [Frame]

    package init(frames: [Frame]) { self.frames = frames }
}

// MARK: Header

extension ID3Tag {
    /// The first ten bytes, which say how long the tag is.
    package struct Header: Hashable, Sendable {
        package static let size = 10

        /// 2, 3 or 4 in tags that exist.
        package let majorVersion: UInt8
        let flags: UInt8
        /// Bytes between header and footer.
        let bodySize: Int

        /// Nil for bytes that begin no tag: `ID3`, versions other than 255, and a size whose bytes are below 128.
        package init?(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.count >= Self.size, bytes[0] == 0x49, bytes[1] == 0x44, bytes[2] == 0x33, bytes[3] != 0xFF,
                bytes[4] != 0xFF, let size = ID3Tag.synchsafe(bytes.part(6..<10))
            else { return nil }
            majorVersion = bytes[3]
            flags = bytes[5]
            bodySize = size
        }

        var isUnsynchronised: Bool { flags & 0x80 != 0 }
        var hasExtension: Bool { flags & 0x40 != 0 }
        /// Version 2.4 only.
        var hasFooter: Bool { majorVersion >= 4 && flags & 0x10 != 0 }

        /// Bytes of the whole tag, header and footer included: 10 to 2^28 + 19.
        package var tagSize: Int { Self.size + bodySize + (hasFooter ? Self.size : 0) }
    }

    /// 28 bits in four bytes below 128; nil when one is not.
    fileprivate static func synchsafe(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var value = 0
        for byte in bytes {
            guard byte < 0x80 else { return nil }
            value = value << 7 | Int(byte)
        }
        return value
    }
}

// MARK: Reading

extension ID3Tag {
    /// The tag at the beginning of the bytes. A frame that does not fit ends it; those before it are kept.
    ///
    /// - Throws: `truncated` when the tag is longer than the bytes, `unsupported` for what begins no tag, for versions
    ///   after 2.4, and for a tag larger than `largest`.
    package init(_ bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        guard let header = Header(bytes), (2...4).contains(header.majorVersion), header.tagSize <= Self.largest else {
            throw .unsupported
        }
        guard header.tagSize <= bytes.count else { throw .truncated }
        frames = []
        let body = bytes.part(Header.size..<Header.size + header.bodySize)
        switch header.majorVersion {
        case 3:
            // Unsynchronised as a whole, and its sizes count what was there before.
            if header.isUnsynchronised {
                Self.synchronised(body).withUnsafeBytes { readThird($0, hasExtension: header.hasExtension) }
            } else {
                readThird(body, hasExtension: header.hasExtension)
            }
        case 4:
            readFourth(body, header)
        default: break
        }
    }

    /// All tags that follow each other at the beginning of the bytes, at most 16, as they do in a PES packet.
    package static func tags(in bytes: UnsafeRawBufferPointer) -> [ID3Tag] {
        var tags: [ID3Tag] = []
        var offset = 0
        while tags.count < 16, offset < bytes.count {
            let rest = bytes.part(offset..<bytes.count)
            guard let header = Header(rest), let tag = try? ID3Tag(rest) else { break }
            tags.append(tag)
            offset += header.tagSize
        }
        return tags
    }

    private mutating func readThird(_ body: UnsafeRawBufferPointer, hasExtension: Bool) {
        var reader = ByteReader(body)
        do throws(BitstreamError) {
            // The size of the extended header does not count itself.
            if hasExtension { _ = try reader.take(Int(try reader.number(4))) }
            while frames.count < Self.mostFrames, let identifier = try Self.identifier(&reader) {
                let size = Int(try reader.number(4))
                let flags = try reader.number(2)
                var data = ByteReader(try reader.take(size))
                // Compressed or encrypted.
                guard flags & 0xC0 == 0 else { continue }
                // A byte that groups frames.
                if flags & 0x20 != 0 { _ = try data.byte() }
                add(identifier, Array(data.takeRest()))
            }
        } catch {
            // What is cut short ends the tag.
        }
    }

    private mutating func readFourth(_ body: UnsafeRawBufferPointer, _ header: Header) {
        var reader = ByteReader(body)
        do throws(BitstreamError) {
            if header.hasExtension {
                // Counts itself.
                guard let size = Self.synchsafe(try reader.take(4)) else { return }
                _ = try reader.take(size - 4)
            }
            while frames.count < Self.mostFrames, let identifier = try Self.identifier(&reader) {
                let sizeBytes = try reader.take(4)
                // Well-known writers wrote plain numbers.
                let size = Self.synchsafe(sizeBytes) ?? Int(sizeBytes.bigEndian32(at: 0))
                let flags = try reader.number(2)
                var data = ByteReader(try reader.take(size))
                // Compressed or encrypted.
                guard flags & 0x0C == 0 else { continue }
                // A byte that groups frames, then the length without unsynchronisation.
                if flags & 0x40 != 0 { _ = try data.byte() }
                if flags & 0x01 != 0 { _ = try data.take(4) }
                let isUnsynchronised = flags & 0x02 != 0 || header.isUnsynchronised
                let rest = data.takeRest()
                add(identifier, isUnsynchronised ? Self.synchronised(rest) : Array(rest))
            }
        } catch {
            // What is cut short ends the tag.
        }
    }

    private mutating func add(_ identifier: String, _ data: [UInt8]) {
        frames.append(Frame(identifier: identifier, data: data))
    }

    /// The identifier of the next frame; nil at the end of the tag and where its padding begins.
    private static func identifier(_ reader: inout ByteReader) throws(BitstreamError) -> String? {
        guard reader.remaining >= 10 else { return nil }
        let bytes = try reader.take(4)
        guard bytes.allSatisfy({ $0.isDigit || $0.isUppercaseLetter }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Without the zero byte that was put after each 0xFF.
    private static func synchronised(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var followsMark = false
        for byte in bytes {
            if !(followsMark && byte == 0) { plain.append(byte) }
            followsMark = byte == 0xFF
        }
        return plain
    }
}

// MARK: Frames

extension ID3Tag.Frame {
    /// Description and value of a `TXXX` frame (section 4.2.6).
    package var userText: (description: String, value: String)? {
        guard identifier == "TXXX", let encoding = data.first.flatMap(ID3Text.init) else { return nil }
        let parts = encoding.strings(data.dropFirst(), limit: 2)
        guard parts.count == 2 else { return nil }
        return (parts[0], parts[1])
    }

    /// Owner and data of a `PRIV` frame (section 4.27).
    package var privateData: (owner: String, data: ArraySlice<UInt8>)? {
        guard identifier == "PRIV", let end = data.firstIndex(of: 0) else { return nil }
        return (ID3Text.latin.string(data[..<end]), data[(end + 1)...])
    }

    /// - Parameter description: without a zero character, where it would end.
    package static func userText(_ description: String, _ value: String) -> Self {
        Self(identifier: "TXXX", data: [ID3Text.utf8.rawValue] + description.utf8 + [0] + value.utf8)
    }

    /// - Parameter owner: ASCII.
    package static func privateData(owner: String, _ data: [UInt8]) -> Self {
        Self(identifier: "PRIV", data: Array(owner.utf8) + [0] + data)
    }
}

/// How text in a frame is encoded (ID3v2.4 section 4); 2.3 knows the first two.
private enum ID3Text: UInt8 {
    case latin = 0
    /// With a byte order mark.
    case utf16 = 1
    case utf16BigEndian = 2
    case utf8 = 3

    /// The texts between terminators; what follows the first `limit` is dropped.
    func strings(_ bytes: ArraySlice<UInt8>, limit: Int) -> [String] {
        let width = self == .utf16 || self == .utf16BigEndian ? 2 : 1
        var strings: [String] = []
        var start = bytes.startIndex
        var at = start
        while at + width <= bytes.endIndex, strings.count < limit {
            if bytes[at] == 0, bytes[at + width - 1] == 0 {
                strings.append(string(bytes[start..<at]))
                start = at + width
            }
            at += width
        }
        if strings.count < limit { strings.append(string(bytes[start...])) }
        return strings
    }

    func string(_ bytes: ArraySlice<UInt8>) -> String {
        switch self {
        case .latin: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .utf16, .utf16BigEndian:
            var units: [UInt16] = []
            var rest = bytes
            var isLittle = false
            if self == .utf16, rest.starts(with: [0xFF, 0xFE]) { isLittle = true }
            while rest.count >= 2, let high = rest.popFirst(), let low = rest.popFirst() {
                units.append(isLittle ? UInt16(low) << 8 | UInt16(high) : UInt16(high) << 8 | UInt16(low))
            }
            if units.first == 0xFEFF { units.removeFirst() }
            return String(decoding: units, as: UTF16.self)
        }
    }
}

// MARK: What Throughline reads in them

extension ID3Tag {
    /// The owner of the `PRIV` frame that holds an `IndicatorMessage` in binary, and the description of the `TXXX` frame
    /// that holds one as text.
    package static let indicatorName = "throughline"
    /// The owner of the `PRIV` frame with which each segment of packed audio begins (RFC 8216 section 3.4).
    package static let timestampOwner = "com.apple.streaming.transportStreamTimestamp"

    /// The messages in the tag, in the order of their frames.
    package var indicatorMessages: [IndicatorMessage] {
        frames.compactMap { frame in
            if let (owner, data) = frame.privateData, owner == Self.indicatorName {
                return data.withUnsafeBytes { IndicatorMessage($0) }
            }
            if let (description, value) = frame.userText, description == Self.indicatorName {
                return IndicatorMessage(text: value)
            }
            return nil
        }
    }

    /// Throughline's own messages in the tag.
    package var indicators: [Indicator] { indicatorMessages.map { $0.indicator(.timedMetadata) } }

    /// The MPEG-2 time of the first sample after the tag: 33 bits of 90 kHz.
    package var transportStreamTimestamp: UInt64? {
        for frame in frames {
            guard let (owner, data) = frame.privateData, owner == Self.timestampOwner, data.count == 8 else { continue }
            let value = data.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            if value < 1 << 33 { return value }
        }
        return nil
    }

    /// With one message, in binary.
    package init(_ message: IndicatorMessage) {
        self.init(frames: [.privateData(owner: Self.indicatorName, message.bytes)])
    }

    /// With one message, as text.
    package init(text message: IndicatorMessage) {
        self.init(frames: [.userText(Self.indicatorName, message.text)])
    }
}

// MARK: Writing

extension ID3Tag {
    /// The tag in version 2.4, without unsynchronisation. Nil when it is larger, or has more frames, than would be read,
    /// and when a frame's identifier is not four characters of A to Z and 0 to 9.
    package var bytes: [UInt8]? {
        guard frames.count <= Self.mostFrames else { return nil }
        var body: [UInt8] = []
        for frame in frames {
            let identifier = frame.identifier.utf8
            guard identifier.count == 4, identifier.allSatisfy({ $0.isDigit || $0.isUppercaseLetter }),
                frame.data.count < Self.largest, body.count < Self.largest
            else { return nil }
            body += identifier
            body.append(synchsafe: frame.data.count)
            body += [0, 0]
            body += frame.data
        }
        var tag: [UInt8] = [0x49, 0x44, 0x33, 4, 0, 0]
        tag.append(synchsafe: body.count)
        tag += body
        return tag.count <= Self.largest ? tag : nil
    }
}

extension [UInt8] {
    /// The low 28 bits of a number in four bytes.
    fileprivate mutating func append(synchsafe value: Int) {
        for shift in [21, 14, 7, 0] { append(UInt8(truncatingIfNeeded: value >> shift) & 0x7F) }
    }
}
