import Testing

@testable import ThroughlineProtocols

@Suite struct PayloadFormTests {
    @Test func detectsTheFormsOfRealContainers() {
        #expect(form(.h264, .h264InMP4) == .lengthPrefixed(.h264, lengthSize: 4))
        #expect(form(.h264, .h264InTS) == .annexB(.h264))
        #expect(form(.hevc, .hevcInMP4) == .lengthPrefixed(.hevc, lengthSize: 4))
        #expect(form(.hevc, .hevcInTS) == .annexB(.hevc))
        #expect(form(.aac, .aacInMP4) == .rawAAC(lowComplexity))
        #expect(form(.aac, .aacInTS) == .adts)
        #expect(form(.other, .aacInTS) == .opaque)
    }

    private func form(_ codec: PayloadForm.Codec, _ fixture: Fixture) -> PayloadForm {
        let form = detect(codec, extradata: fixture.extradata, first: fixture.packets[0].bytes)
        // The extradata alone says the same, but for AAC in TS, which has none.
        if form != .adts { #expect(detect(codec, extradata: fixture.extradata) == form) }
        return form
    }

    @Test func believesThePacketMoreThanTheExtradata() {
        let (mp4, ts) = (Fixture.h264InMP4, Fixture.h264InTS)
        #expect(detect(.h264, extradata: mp4.extradata, first: ts.packets[1].bytes) == .annexB(.h264))
        #expect(
            detect(.h264, extradata: [], first: mp4.packets[1].bytes) == .lengthPrefixed(.h264, lengthSize: 4))
        #expect(
            detect(.aac, extradata: Fixture.aacInMP4.extradata, first: Fixture.aacInTS.packets[0].bytes) == .adts)
    }

    @Test(arguments: [
        (PayloadForm.Codec.h264, "", "", PayloadForm.annexB(.h264)),
        (.h264, "0142", "", .annexB(.h264)),
        (.h264, "01640028 fd 00 00", "", .lengthPrefixed(.h264, lengthSize: 2)),
        (.h264, "01640028 fc 00 00", "", .lengthPrefixed(.h264, lengthSize: 1)),
        (.hevc, "01640028 fd 00 00", "", .annexB(.hevc)),
        // A unit of one byte: lengths and start codes at once; the record decides.
        (.h264, "01640028 ff 00 00", "00000001 09", .lengthPrefixed(.h264, lengthSize: 4)),
        (.h264, "", "00000001 09", .annexB(.h264)),
        // Sync word, but the frame is longer than the packet.
        (.aac, "", "fff14c40 15dffc 01", .opaque),
        (.aac, "1188", "fff14c40 15dffc 01", .rawAAC(lowComplexity)),
        (.aac, "1188", "", .rawAAC(lowComplexity)), (.aac, "", "", .opaque), (.aac, "ff", "", .opaque),
    ])
    func detectsFromLittle(codec: PayloadForm.Codec, extradata: String, packet: String, expected: PayloadForm) {
        let found = detect(codec, extradata: bytes(hex: extradata), first: packet.isEmpty ? nil : bytes(hex: packet))
        #expect(found == expected)
    }

    @Test(
        arguments: [
            ("1188", lowComplexity),
            ("1210", AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 44_100, channelConfiguration: 2)),
            // HE-AAC: 24 kHz core, 48 kHz output; and with an explicit core frequency.
            (
                "2b11 8800",
                AudioSpecificConfig(
                    objectType: 2, samplingFrequencyHz: 24_000, channelConfiguration: 2, extensionFrequencyHz: 48_000)
            ),
            (
                "17 80 5d c0 08",
                AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 47_999 + 1, channelConfiguration: 1)
            ),
            (
                "1194",
                AudioSpecificConfig(
                    objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 2, samplesPerFrame: 960)
            ),
            ("11", nil), ("", nil), ("16 90", nil), ("0190", nil),
        ] as [(String, AudioSpecificConfig?)])
    func readsAudioSpecificConfig(hex: String, expected: AudioSpecificConfig?) {
        #expect(bytes(hex: hex).withUnsafeBytes { try? AudioSpecificConfig(parsing: $0) } == expected)
    }
}
