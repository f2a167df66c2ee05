/// A 64-bit value of a packet's payload that is the same whatever container carried it.
///
/// Of H.264 and HEVC only the coded slices count: start codes, lengths, parameter sets, delimiters, SEI and filler are
/// what multiplexers add and remove. Of AAC the ADTS header does not count. Everything else counts as it is.
///
/// Equal payloads give equal values on every machine and in every run, so that values can be kept and sent. Different
/// payloads collide with a chance of about 2^-64; somebody who wants two to collide can make them (the function has no
/// key), and gains nothing that sending the packet itself would not give.
package struct Fingerprint: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Sixteen hexadecimal digits.
    package var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Nil when there is no payload to speak of (empty, or nothing but parameter sets and the like), and when the packet
    /// is not what its form says. Lengths and ADTS headers show that a packet was cut; start codes do not, so that an
    /// Annex B packet cut inside its last slice has a fingerprint, of its own.
    package static func of(payload: UnsafeRawBufferPointer, form: PayloadForm) -> Fingerprint? {
        var hash = PayloadHash()
        switch form {
        case .annexB, .lengthPrefixed:
            guard let (codec, framing) = form.nalUnits else { return nil }
            var units = NALUnitIterator(payload, framing: framing)
            var found = false
            while let range = units.next() {
                let unit = payload.part(range)
                guard let header = NALUnitHeader(unit, codec: codec) else { return nil }
                guard header.kind == .slice else { continue }
                hash.add(unit)
                found = true
            }
            guard found, !units.isMalformed else { return nil }
        case .adts:
            guard ADTSHeader.fills(payload) else { return nil }
            var offset = 0
            while let header = ADTSHeader(payload.part(offset..<payload.count)) {
                let frame = offset + header.size..<offset + header.frameLength
                guard !frame.isEmpty else { return nil }
                hash.add(payload.part(frame))
                offset = frame.upperBound
            }
        case .rawAAC, .opaque:
            guard !payload.isEmpty else { return nil }
            hash.add(payload)
        }
        return Fingerprint(rawValue: hash.value)
    }
}

extension Fingerprint {
    /// Bytes of a packet's beginning, and of its end, that a glance looks at.
    private static let glancedFirst = 256
    private static let glancedLast = 64

    /// A value of a packet's payload that costs little however large the packet is: of the first bytes of its first slice
    /// or frame, and of its last bytes. The same whatever container carried it, as `of` is; packets that differ between
    /// the two places only are not told apart, so that alone it proves nothing.
    ///
    /// Nil where `of` is nil for want of a payload.
    package static func glance(payload: UnsafeRawBufferPointer, form: PayloadForm) -> Fingerprint? {
        let (first, last): (UnsafeRawBufferPointer, UnsafeRawBufferPointer)
        switch form {
        case .annexB(let codec):
            guard let slice = firstSlice(ofAnnexB: payload, codec: codec) else { return nil }
            (first, last) = (slice, lastBytes(ofAnnexB: payload))
        case .lengthPrefixed:
            guard let (codec, framing) = form.nalUnits else { return nil }
            var units = NALUnitIterator(payload, framing: framing)
            var slice: UnsafeRawBufferPointer?
            var end: UnsafeRawBufferPointer?
            while let range = units.next() {
                let unit = payload.part(range)
                if slice == nil, NALUnitHeader(unit, codec: codec)?.kind == .slice { slice = unit }
                end = unit
            }
            guard let slice, let end, !units.isMalformed else { return nil }
            (first, last) = (slice, end)
        case .adts, .rawAAC: return of(payload: payload, form: form)
        case .opaque:
            guard !payload.isEmpty else { return nil }
            (first, last) = (payload, payload)
        }
        var hash = PayloadHash()
        hash.add(UnsafeRawBufferPointer(rebasing: first.prefix(glancedFirst)))
        hash.add(UnsafeRawBufferPointer(rebasing: last.suffix(glancedLast)))
        return Fingerprint(rawValue: hash.value)
    }

    /// The first slice, up to its end or so far that a glance sees no more.
    private static func firstSlice(
        ofAnnexB payload: UnsafeRawBufferPointer, codec: VideoCodec
    ) -> UnsafeRawBufferPointer? {
        var at = NALUnitIterator.startCode(in: payload, from: 0)
        while at + 3 < payload.count {
            let start = at + 3
            let seen = payload.part(start..<min(start + glancedFirst + 8, payload.count))
            if NALUnitHeader(seen, codec: codec)?.kind == .slice {
                return withoutZeros(seen.part(0..<NALUnitIterator.startCode(in: seen, from: 0)))
            }
            at = NALUnitIterator.startCode(in: payload, from: start)
        }
        return nil
    }

    /// What a glance sees of the last NAL unit.
    private static func lastBytes(ofAnnexB payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let whole = withoutZeros(payload)
        var seen = whole.part(max(0, whole.count - glancedLast - 3)..<whole.count)
        var at = NALUnitIterator.startCode(in: seen, from: 0)
        while at + 3 <= seen.count {
            seen = seen.part(at + 3..<seen.count)
            at = NALUnitIterator.startCode(in: seen, from: 0)
        }
        return seen
    }

    private static func withoutZeros(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var end = bytes.count
        while end > 0, bytes[end - 1] == 0 { end -= 1 }
        return bytes.part(0..<end)
    }
}

/// A hash of a sequence of byte strings; where one string ends and the next begins counts.
///
/// The step is a multiplication of 64 by 64 bits whose two halves are xored (the folded multiplication known from
/// wyhash and its relatives): every bit of both factors reaches nearly every bit of the result, at the cost of one
/// instruction. Long strings are read 64 bytes at a time into four independent lanes, so that the multiplications
/// overlap. It is not cryptographic.
struct PayloadHash {
    /// The hash of what was added so far; of nothing, a constant.
    private(set) var value: UInt64 = 0x6A09_E667_F3BC_C908

    // The fractional parts of the square roots of 3, 5, 7, 11 and 13, made odd.
    private static let k0: UInt64 = 0xBB67_AE85_84CA_A73B
    private static let k1: UInt64 = 0x3C6E_F372_FE94_F82B
    private static let k2: UInt64 = 0xA54F_F53A_5F1D_36F1
    private static let k3: UInt64 = 0x510E_527F_ADE6_82D1
    private static let k4: UInt64 = 0x9B05_688C_2B3E_6C1F

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        @inline(__always)
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        @inline(__always)
        func half(_ offset: Int) -> UInt64 {
            UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }

        let count = bytes.count
        // The length goes in first: of two splittings of the same bytes, each has its own value.
        var state = Self.fold(value ^ Self.k0, UInt64(count) ^ Self.k1)
        var offset = 0
        if count > 64 {
            var (a, b, c, d) = (state, state ^ Self.k2, state ^ Self.k3, state ^ Self.k4)
            while count - offset > 64 {
                a = Self.fold(word(offset) ^ Self.k1, word(offset + 8) ^ a)
                b = Self.fold(word(offset + 16) ^ Self.k2, word(offset + 24) ^ b)
                c = Self.fold(word(offset + 32) ^ Self.k3, word(offset + 40) ^ c)
                d = Self.fold(word(offset + 48) ^ Self.k4, word(offset + 56) ^ d)
                offset += 64
            }
            state = Self.fold(a ^ Self.k3, b ^ Self.k4) ^ Self.fold(c ^ Self.k1, d ^ Self.k2)
        }
        while count - offset > 16 {
            state = Self.fold(word(offset) ^ Self.k2, word(offset + 8) ^ state)
            offset += 16
        }
        // The last 1 to 16 bytes; where there are enough, read as overlapping words.
        let first: UInt64
        let last: UInt64
        switch count {
        case 16...:
            first = word(count - 16)
            last = word(count - 8)
        case 8..<16:
            first = word(0)
            last = word(count - 8)
        case 4..<8:
            first = half(0)
            last = half(count - 4)
        case 1..<4:
            first = UInt64(bytes[0])
            last = UInt64(bytes[count / 2]) << 8 | UInt64(bytes[count - 1])
        default:
            (first, last) = (0, 0)
        }
        state = Self.fold(first ^ Self.k3, last ^ state)
        value = Self.fold(state ^ Self.k4, Self.k0)
    }
}
