import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct FingerprintTests {
    @Test(arguments: [
        (
            Fixture.h264InMP4, PayloadForm.lengthPrefixed(.h264, lengthSize: 4), Fixture.h264InTS,
            PayloadForm.annexB(.h264)
        ),
        (.hevcInMP4, .lengthPrefixed(.hevc, lengthSize: 4), .hevcInTS, .annexB(.hevc)),
        (.aacInMP4, .rawAAC(lowComplexity), .aacInTS, .adts),
    ])
    func areTheSameInEveryContainer(a: Fixture, formA: PayloadForm, b: Fixture, formB: PayloadForm) throws {
        #expect(a.packets.count == b.packets.count)
        var seen: Set<Fingerprint> = []
        for (one, other) in zip(a.packets, b.packets) {
            #expect(one.bytes != other.bytes)
            let value = try #require(fingerprint(one.bytes, formA))
            #expect(fingerprint(other.bytes, formB) == value)
            seen.insert(value)
        }
        #expect(seen.count == a.packets.count)
    }

    @Test(arguments: [
        (
            Fixture.h264InMP4, PayloadForm.lengthPrefixed(.h264, lengthSize: 4), Fixture.h264InTS,
            PayloadForm.annexB(.h264)
        ),
        (.hevcInMP4, .lengthPrefixed(.hevc, lengthSize: 4), .hevcInTS, .annexB(.hevc)),
        (.aacInMP4, .rawAAC(lowComplexity), .aacInTS, .adts),
    ])
    func aGlanceIsTheSameInEveryContainer(
        a: Fixture, formA: PayloadForm, b: Fixture, formB: PayloadForm
    ) throws {
        var seen: Set<Fingerprint> = []
        for (one, other) in zip(a.packets, b.packets) {
            let value = try #require(glance(one.bytes, formA))
            #expect(glance(other.bytes, formB) == value)
            seen.insert(value)
        }
        #expect(seen.count == a.packets.count)
    }

    private func glance(_ payload: [UInt8], _ form: PayloadForm) -> Fingerprint? {
        payload.withUnsafeBytes { Fingerprint.glance(payload: $0, form: form) }
    }

    /// Whatever lies around the slices, and however long they are.
    @Test(arguments: [3, 60, 64, 66, 70, 255, 256, 257, 262, 264, 266, 300, 5000])
    func aGlanceSeesThroughWhatMultiplexersAdd(_ length: Int) {
        var random = SeededGenerator(seed: UInt64(length))
        let slice: [UInt8] = [0x65] + (1..<length).map { _ in UInt8.random(in: 1...255, using: &random) }
        for slices in [[slice], [slice, [0x65, 0x42]], [[0x65, 0x42, 0x17], slice]] {
            var annexB: [UInt8] = []
            var prefixed: [UInt8] = []
            for slice in slices {
                annexB += [0, 0, 1] + slice
                prefixed += [UInt8(slice.count >> 8), UInt8(slice.count & 0xFF)] + slice
            }
            let form = PayloadForm.lengthPrefixed(.h264, lengthSize: 2)
            let value = glance(prefixed, form)
            #expect(value != nil)
            #expect(glance(annexB, .annexB(.h264)) == value)
            #expect(
                glance([0, 0, 0, 1, 0x09, 0xF0, 0, 0, 0, 1, 0x67, 0xAA] + annexB + [0, 0], .annexB(.h264)) == value)
            #expect(glance([0, 2, 0x09, 0xF0] + prefixed, form) == value)
            var other = prefixed
            other[other.count - 1] ^= 0x40
            #expect(glance(other, form) != value)
        }
        #expect(glance([], .annexB(.h264)) == nil && glance([0, 0, 1, 0x67], .annexB(.h264)) == nil)
        #expect(glance([], .opaque) == nil && glance([0, 9, 0x65], .lengthPrefixed(.h264, lengthSize: 2)) == nil)
    }

    /// Kept and sent fingerprints must mean the same tomorrow.
    @Test(arguments: [
        ("00", "2a2da1e613c3538e"), ("616263", "5a31767e13a754e0"), ("0001020304", "ba72883505c9ffff"),
        ("000102030405060708090a0b0c0d0e0f10111213", "9c95aaa5b589e306"),
    ])
    func valuesAreFixed(payload: String, expected: String) {
        #expect(fingerprint(bytes(hex: payload), .opaque)?.description == expected)
    }

    @Test func ignoresWhatMultiplexersAdd() throws {
        let slice = "65 88 84 00 aa"
        let value = try #require(fingerprint(annexB(slice), .annexB(.h264)))
        #expect(fingerprint(annexB("09f0", "67aa", "68bb", "0605ff80", slice, "0cff80"), .annexB(.h264)) == value)
        #expect(fingerprint(annexB(slice) + [0, 0, 0], .annexB(.h264)) == value)
        #expect(fingerprint(bytes(hex: "05 65888400aa"), .lengthPrefixed(.h264, lengthSize: 1)) == value)
        // Another slice, two slices, and the same bytes split otherwise are something else.
        #expect(fingerprint(annexB("65 88 84 00 ab"), .annexB(.h264)) != value)
        #expect(fingerprint(annexB(slice, slice), .annexB(.h264)) != value)
        #expect(
            fingerprint(annexB("65 41", "65 42"), .annexB(.h264))
                != fingerprint(annexB("65 41 65", "42"), .annexB(.h264)))
        // cabac_zero_words are payload.
        #expect(fingerprint(annexB(slice + "000003"), .annexB(.h264)) != value)
    }

    @Test(arguments: [
        (PayloadForm.annexB(.h264), ""), (.annexB(.h264), "65aa"), (.annexB(.h264), "000001 67aa 000001 68bb"),
        (.annexB(.h264), "000001 e5aa"), (.annexB(.hevc), "000001 02"),
        (.lengthPrefixed(.h264, lengthSize: 4), "00000002 65aa 00000002 65"),
        (.lengthPrefixed(.h264, lengthSize: 0), "65"), (.lengthPrefixed(.h264, lengthSize: 4), "00000000"),
        (.adts, "fff14c40 00fffc"), (.adts, "fff14c40 011ffc aa bb"), (.adts, "0102030405060708"), (.adts, ""),
        (.rawAAC(lowComplexity), ""), (.opaque, ""),
    ])
    func brokenOrEmptyPayloadHasNone(form: PayloadForm, payload: String) {
        #expect(fingerprint(bytes(hex: payload), form) == nil)
    }

    @Test func adtsHeaderWithChecksumIsStripped() {
        #expect(
            fingerprint(bytes(hex: "fff04c40 015ffc 1234 aa"), .adts)
                == fingerprint([0xAA], .rawAAC(lowComplexity)))
    }

    /// Each bit of the input changes about half of the bits of the value, at every length and place.
    @Test func everyBitCounts() {
        var random = SeededGenerator(seed: 2)
        var changed = 0
        var flips = 0
        for length in Array(1...40) + [63, 64, 65, 79, 80, 81, 127, 128, 129, 200, 300] {
            var payload = random.bytes(length)
            let value = fingerprint(payload, .opaque)!.rawValue
            for bit in 0..<length * 8 {
                payload[bit / 8] ^= 1 << UInt8(bit % 8)
                let difference = (fingerprint(payload, .opaque)!.rawValue ^ value).nonzeroBitCount
                payload[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect((8...56).contains(difference), "bit \(bit) of \(length) bytes changes \(difference) bits")
                changed += difference
                flips += 1
            }
        }
        #expect((31.9...32.1).contains(Double(changed) / Double(flips)))
    }

    @Test func similarPayloadsDoNotCollide() {
        var seen: Set<Fingerprint> = []
        var count = 0
        for length in 1...300 {
            for filling: UInt8 in [0, 1, 0xFF] {
                seen.insert(fingerprint(Array(repeating: filling, count: length), .opaque)!)
                count += 1
            }
        }
        for number in 0..<20_000 {
            seen.insert(fingerprint([UInt8(number >> 8), UInt8(number & 0xFF), 7, 7], .opaque)!)
            count += 1
        }
        #expect(seen.count == count)
    }
}
