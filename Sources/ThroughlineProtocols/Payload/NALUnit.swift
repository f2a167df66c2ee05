/// What a NAL unit is, as far as carrying it from one container to another is concerned.
package enum NALUnitKind: Hashable, Sendable {
    /// Coded slice data, of whatever layer.
    case slice
    case accessUnitDelimiter
    case videoParameterSet
    case sequenceParameterSet
    case pictureParameterSet
    case supplementalInformation
    /// Filler data, end of sequence, extensions, reserved and unspecified types.
    case other
}

/// The header of a NAL unit: H.264 section 7.3.1, H.265 section 7.3.1.2.
package struct NALUnitHeader: Hashable, Sendable {
    package let codec: VideoCodec
    /// `nal_unit_type`: 0 to 31 in H.264, 0 to 63 in HEVC.
    package let type: UInt8
    /// `nal_ref_idc` of H.264; 0 in HEVC, where the type says it.
    package let referenceIDC: UInt8
    /// `nuh_layer_id` of HEVC; 0 in H.264.
    package let layerID: UInt8
    /// `TemporalId` of HEVC; 0 in H.264.
    package let temporalID: UInt8

    /// Nil when the bytes are too few or break a rule that every decoder relies on (`forbidden_zero_bit`).
    package init?(_ unit: UnsafeRawBufferPointer, codec: VideoCodec) {
        guard let first = unit.first, first & 0x80 == 0 else { return nil }
        self.codec = codec
        switch codec {
        case .h264:
            type = first & 0x1F
            referenceIDC = (first >> 5) & 0x03
            layerID = 0
            temporalID = 0
        case .hevc:
            guard unit.count >= 2, unit[1] & 0x07 != 0 else { return nil }
            type = (first >> 1) & 0x3F
            referenceIDC = 0
            layerID = (first & 0x01) << 5 | unit[1] >> 3
            temporalID = (unit[1] & 0x07) - 1
        }
    }

    /// Bytes before the raw byte sequence payload.
    package var size: Int { codec == .h264 ? 1 : 2 }

    package var kind: NALUnitKind {
        switch codec {
        case .h264:
            // 19 is an auxiliary picture, 20 and 21 are slices of further layers and views (annexes G, H and I).
            switch type {
            case 1...5, 19, 20, 21: .slice
            case 6: .supplementalInformation
            case 7: .sequenceParameterSet
            case 8: .pictureParameterSet
            case 9: .accessUnitDelimiter
            default: .other
            }
        case .hevc:
            switch type {
            case 0...31: .slice
            case 32: .videoParameterSet
            case 33: .sequenceParameterSet
            case 34: .pictureParameterSet
            case 35: .accessUnitDelimiter
            case 39, 40: .supplementalInformation
            default: .other
            }
        }
    }
}

/// Walks the NAL units of a packet in place: no copy, no allocation.
///
/// Each unit is given as a range of the payload, without start code or length and without zero bytes at its end: a unit
/// never ends in zero (H.264 section 7.4.1), so such bytes are `trailing_zero_8bits` or padding. A `cabac_zero_word`
/// is not touched, since it ends in `0x03` inside the unit. Empty units are passed over.
///
/// After the last unit `isMalformed` says whether the payload was read to its end in good order.
package struct NALUnitIterator: IteratorProtocol {
    package enum Framing: Hashable, Sendable {
        /// Annex B: each unit follows `00 00 01`.
        case startCodes
        /// avcC and hvcC: each unit follows its length, a big-endian number of 1 to 4 bytes.
        case lengthPrefixes(size: Int)
    }

    private let payload: UnsafeRawBufferPointer
    private let framing: Framing
    private var cursor: Int
    /// The payload does not begin with a start code, or a length reaches beyond its end.
    package private(set) var isMalformed = false

    package init(_ payload: UnsafeRawBufferPointer, framing: Framing) {
        self.payload = payload
        self.framing = framing
        cursor = 0
        switch framing {
        case .startCodes:
            let first = Self.startCode(in: payload, from: 0)
            // Only zero bytes may precede the first start code: anything else is the tail of something cut.
            if !payload.isEmpty, first == payload.count || payload[..<first].contains(where: { $0 != 0 }) {
                isMalformed = true
                cursor = payload.count
            } else {
                cursor = min(first + 3, payload.count)
            }
        case .lengthPrefixes(let size):
            if !(1...4).contains(size) {
                isMalformed = true
                cursor = payload.count
            }
        }
    }

    package mutating func next() -> Range<Int>? {
        while cursor < payload.count {
            let start: Int
            var end: Int
            switch framing {
            case .startCodes:
                start = cursor
                end = Self.startCode(in: payload, from: start)
                cursor = min(end + 3, payload.count)
            case .lengthPrefixes(let size):
                guard payload.count - cursor >= size else { return fail() }
                var length = 0
                for offset in 0..<size {
                    length = length << 8 | Int(payload[cursor + offset])
                }
                start = cursor + size
                guard length <= payload.count - start else { return fail() }
                end = start + length
                cursor = end
            }
            while end > start, payload[end - 1] == 0 { end -= 1 }
            if end > start { return start..<end }
        }
        return nil
    }

    private mutating func fail() -> Range<Int>? {
        isMalformed = true
        cursor = payload.count
        return nil
    }

    /// The offset of the first `00 00 01` at or after `start`; the size of the payload when there is none.
    ///
    /// Looks at 16 places at once: two words, one byte apart, or-ed together have a zero byte only where two zero bytes
    /// follow each other, which in coded video is rare enough for the branch to be nearly always right.
    static func startCode(in payload: UnsafeRawBufferPointer, from start: Int) -> Int {
        let count = payload.count
        var at = start
        while at + 17 <= count {
            let low = word(payload, at) | word(payload, at + 1)
            let high = word(payload, at + 8) | word(payload, at + 9)
            let lowZeros = zeroBytes(low)
            let highZeros = zeroBytes(high)
            if lowZeros | highZeros == 0 {
                at += 16
                continue
            }
            // The lowest mark is exact; those above it may be borrowed from it.
            let pair =
                lowZeros != 0 ? at + lowZeros.trailingZeroBitCount / 8 : at + 8 + highZeros.trailingZeroBitCount / 8
            guard pair + 2 < count else { return count }
            // Padding can be long: a run of zeros is left in one go.
            var end = pair + 2
            while end < count, payload[end] == 0 { end += 1 }
            if end < count, payload[end] == 1 { return end - 2 }
            at = end + 1
        }
        while at + 3 <= count {
            if payload[at + 2] > 1 {
                at += 3
            } else if payload[at] == 0, payload[at + 1] == 0, payload[at + 2] == 1 {
                return at
            } else {
                at += 1
            }
        }
        return count
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Marks with 0x80 the zero bytes of a word; the lowest mark is exact.
    @inline(__always)
    private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of `range`, counted from 0.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }
}
