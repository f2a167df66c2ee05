import Testing

@testable import ThroughlineProtocols

@Suite struct RepackerTests {
    static let videos: [(VideoCodec, Fixture, Fixture)] = [
        (.h264, .h264InMP4, .h264InTS), (.hevc, .hevcInMP4, .hevcInTS),
    ]

    /// What FFmpeg's TS muxer made of the packets of the MP4, made back, is the packets of the MP4.
    @Test(arguments: videos)
    func transportStreamBecomesMP4(codec: VideoCodec, mp4: Fixture, ts: Fixture) throws {
        let repacker = try Repacker(
            from: .annexB(codec), to: .lengthPrefixed(codec, lengthSize: 4),
            dropping: try parameterSets(codec, mp4.extradata))
        for (expected, packet) in zip(mp4.packets, ts.packets) {
            #expect(try repacker.repacked(packet.bytes, isKey: packet.isKey) == expected.bytes)
        }
    }

    /// The other way: the same units as FFmpeg's TS muxer writes, but for the delimiters that it adds. It puts the
    /// parameter sets behind the SEI, where a decoder that starts there cannot use them for the SEI, and in H.264 only
    /// in front of IDR pictures.
    @Test(arguments: videos)
    func mp4BecomesTransportStream(codec: VideoCodec, mp4: Fixture, ts: Fixture) throws {
        let sets = try parameterSets(codec, mp4.extradata)
        let repacker = try Repacker(
            from: .lengthPrefixed(codec, lengthSize: 4), to: .annexB(codec), parameterSets: sets)
        let delimiter: UInt8 = codec == .h264 ? 0x09 : 0x46
        for (packet, expected) in zip(mp4.packets, ts.packets) {
            let theirs = try #require(units(expected.bytes, .startCodes)).filter { $0[0] != delimiter }
            let inserts = theirs.contains(sets.sequence[0])
            let repacked = try repacker.repacked(packet.bytes, isKey: packet.isKey, inserting: inserts)
            let ours = try #require(units(repacked, .startCodes))
            #expect(ours.count == theirs.count)
            #expect(Set(ours) == Set(theirs))
            let first = sets.video + sets.sequence + sets.picture
            if inserts { #expect(Array(ours.prefix(first.count)) == first) }
        }
    }

    @Test(arguments: videos)
    func everySizeOfLengthRoundTrips(codec: VideoCodec, mp4: Fixture, ts: Fixture) throws {
        let four = PayloadForm.lengthPrefixed(codec, lengthSize: 4)
        for between: PayloadForm in [
            .annexB(codec), .lengthPrefixed(codec, lengthSize: 2), .lengthPrefixed(codec, lengthSize: 3), four,
        ] {
            let there = try Repacker(from: four, to: between)
            let back = try Repacker(from: between, to: four)
            for packet in mp4.packets {
                let repacked = try there.repacked(packet.bytes)
                #expect(fingerprint(repacked, between) == fingerprint(packet.bytes, four))
                #expect(try back.repacked(repacked) == packet.bytes)
            }
        }
        let one = try Repacker(from: four, to: .lengthPrefixed(codec, lengthSize: 1))
        #expect(throws: RepackError.self) { try one.repacked(mp4.packets[0].bytes) }
    }

    @Test func aacRoundTripsWithTheSameHeadersAsFFmpeg() throws {
        let strip = try Repacker(from: .adts, to: .rawAAC(lowComplexity))
        let add = try Repacker(from: .rawAAC(lowComplexity), to: .adts)
        for (raw, framed) in zip(Fixture.aacInMP4.packets, Fixture.aacInTS.packets) {
            #expect(try strip.repacked(framed.bytes) == raw.bytes)
            #expect(try add.repacked(raw.bytes) == framed.bytes)
        }
    }

    @Test func identityChangesNothing() throws {
        for form: PayloadForm in [.annexB(.h264), .lengthPrefixed(.hevc, lengthSize: 2), .adts, .opaque] {
            let repacker = try Repacker(from: form, to: form)
            #expect(repacker.isIdentity(isKey: true, insertParameterSets: true))
            #expect(try repacker.repacked([9, 8, 7], isKey: true, inserting: true) == [9, 8, 7])
        }
    }

    // MARK: Parameter sets

    private func inserting(_ codec: VideoCodec, _ sets: [UInt8], to form: PayloadForm? = nil) throws -> Repacker {
        try Repacker(
            from: .annexB(codec), to: form ?? .annexB(codec), parameterSets: try parameterSets(codec, sets))
    }

    @Test(
        arguments: [
            // Nothing carried; behind the delimiter; nothing missing; one kind missing, in the order of reference.
            (["65cc"], ["67aa", "68bb", "65cc"]),
            (["09f0", "0605", "65cc"], ["09f0", "67aa", "68bb", "0605", "65cc"]),
            (["09f0", "6701", "6801", "65cc"], ["09f0", "6701", "6801", "65cc"]),
            (["0605", "6701", "6801", "65cc"], ["0605", "6701", "6801", "65cc"]),
            (["6701", "0605", "65cc"], ["6701", "68bb", "0605", "65cc"]),
            (["0605", "6801", "65cc"], ["67aa", "6801", "0605", "65cc"]),
        ] as [([String], [String])])
    func insertsWhatIsMissing(packet: [String], expected: [String]) throws {
        let repacker = try inserting(.h264, annexB("67aa", "68bb"))
        let payload = packet.flatMap { annexB($0) }
        #expect(try repacker.repacked(payload, isKey: true, inserting: true) == expected.flatMap { annexB($0) })
        // Not at other pictures, and not unasked.
        #expect(try repacker.repacked(payload, isKey: false, inserting: true) == payload)
        #expect(try repacker.repacked(payload, isKey: true, inserting: false) == payload)
        #expect(!repacker.isIdentity(isKey: true, insertParameterSets: true))
        // The same behind lengths, but for the delimiter.
        let prefixed = try inserting(.h264, annexB("67aa", "68bb"), to: .lengthPrefixed(.h264, lengthSize: 2))
        #expect(
            units(try prefixed.repacked(payload, isKey: true, inserting: true), .lengthPrefixes(size: 2))
                == expected.filter { $0 != "09f0" }.map { bytes(hex: $0) })
        #expect(
            units(try prefixed.repacked(payload, isKey: false, inserting: true), .lengthPrefixes(size: 2))
                == packet.filter { $0 != "09f0" }.map { bytes(hex: $0) })
    }

    @Test func hevcNeedsAllThreeKinds() throws {
        let repacker = try inserting(.hevc, annexB("4001aa", "4201bb", "4401cc"))
        #expect(
            try repacker.repacked(annexB("460150", "420101", "2801ee"), isKey: true, inserting: true)
                == annexB("460150", "4001aa", "420101", "4401cc", "2801ee"))
    }

    @Test func dropsOnlyWhatTheReceiverHas() throws {
        let repacker = try Repacker(
            from: .annexB(.h264), to: .annexB(.h264), dropping: try parameterSets(.h264, annexB("67aa", "68bb")))
        #expect(try repacker.repacked(annexB("67aa", "68b0", "65cc")) == annexB("68b0", "65cc"))
        #expect(!repacker.isIdentity(isKey: false, insertParameterSets: false))
    }

    // MARK: Refusals

    @Test(arguments: [
        (PayloadForm.annexB(.h264), PayloadForm.annexB(.hevc)),
        (.annexB(.h264), .lengthPrefixed(.hevc, lengthSize: 4)), (.annexB(.h264), .opaque), (.adts, .opaque),
        (.lengthPrefixed(.h264, lengthSize: 0), .annexB(.h264)),
        (.annexB(.h264), .lengthPrefixed(.h264, lengthSize: 5)), (.adts, .annexB(.h264)),
    ])
    func refusesFormsThatHaveNothingInCommon(from: PayloadForm, to: PayloadForm) {
        #expect(throws: RepackError.incompatible(from: from, to: to)) { try Repacker(from: from, to: to) }
    }

    @Test(arguments: [
        // Explicit frequency outside the table, layout in a program config element, HE core beyond the header, 960.
        AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 48_001, channelConfiguration: 2),
        AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 0),
        AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 11),
        AudioSpecificConfig(objectType: 39, samplingFrequencyHz: 48_000, channelConfiguration: 2),
        AudioSpecificConfig(
            objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 2, samplesPerFrame: 960),
    ])
    func refusesWhatADTSCannotSay(configuration: AudioSpecificConfig) {
        #expect(throws: RepackError.notRepresentable) {
            try Repacker(from: .rawAAC(configuration), to: .adts)
        }
        #expect(throws: RepackError.notRepresentable) {
            try Repacker(from: .adts, to: .rawAAC(configuration))
        }
    }

    @Test func refusesAnotherConfiguration() throws {
        let stereo = AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 2)
        #expect(throws: RepackError.configurationMismatch(lowComplexity, stereo)) {
            try Repacker(from: .rawAAC(lowComplexity), to: .rawAAC(stereo))
        }
        let strip = try Repacker(from: .adts, to: .rawAAC(stereo))
        #expect(throws: RepackError.configurationMismatch(lowComplexity, stereo)) {
            try strip.repacked(Fixture.aacInTS.packets[0].bytes)
        }
    }

    @Test(arguments: [
        (PayloadForm.annexB(.h264), PayloadForm.lengthPrefixed(.h264, lengthSize: 4), "65aa", RepackError.malformed),
        (.annexB(.h264), .lengthPrefixed(.h264, lengthSize: 4), "", .malformed),
        (.annexB(.h264), .lengthPrefixed(.h264, lengthSize: 4), "000001 65aa 000001 ff", .malformed),
        (.lengthPrefixed(.h264, lengthSize: 4), .annexB(.h264), "00000001 65 00000002 65", .malformed),
        (.adts, .rawAAC(lowComplexity), "fff14c40 00fffc", .malformed),
        (.adts, .rawAAC(lowComplexity), "fff14c40 013ffc aa", .malformed),
        (.adts, .rawAAC(lowComplexity), "fff14c40 011ffc aa fff14c40 011ffc aa", .notRepresentable),
        (.adts, .rawAAC(lowComplexity), "fff14c40 011ffd aa", .notRepresentable),
        (.rawAAC(lowComplexity), .adts, "", .malformed),
        (.rawAAC(lowComplexity), .adts, String(repeating: "aa", count: 8185), .tooLarge(8185)),
    ])
    func refusesBrokenPackets(from: PayloadForm, to: PayloadForm, payload: String, error: RepackError) throws {
        let repacker = try Repacker(from: from, to: to)
        #expect(throws: error) { try repacker.repacked(bytes(hex: payload)) }
    }

    @Test func lengthsEndWhereTheirFieldEnds() throws {
        let repacker = try Repacker(from: .annexB(.h264), to: .lengthPrefixed(.h264, lengthSize: 2))
        let largest = [0x65] + Array(repeating: UInt8(0xAA), count: 0xFFFE)
        #expect(try repacker.repacked([0, 0, 1] + largest) == [0xFF, 0xFF] + largest)
        #expect(throws: RepackError.tooLarge(0x10000)) { try repacker.repacked([0, 0, 1] + largest + [0xAA]) }
    }
}
