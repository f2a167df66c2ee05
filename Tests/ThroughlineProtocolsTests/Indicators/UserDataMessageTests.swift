internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct UserDataMessageTests {
    private static let name = UserDataMessage.indicatorName
    private static let hexName = "9c21f69bceb344b69f6e07cf9b0c382d"

    private func read(
        _ accessUnit: [UInt8], _ codec: VideoCodec = .h264, _ framing: NALUnitIterator.Framing = .startCodes,
        named name: [UInt8] = name
    ) -> [[UInt8]] {
        accessUnit.withUnsafeBytes {
            UserDataMessage.messages(named: name, in: $0, codec: codec, framing: framing).map(\.data)
        }
    }

    @Test(
        arguments: [
            // One message; between others in one unit; two in one unit; in two units.
            ("000001 06 05 12 \(hexName) beef 80", ["beef"]),
            ("000001 06 0602ffff 05 11 \(hexName) 07 040300ff00 80", ["07"]),
            ("000001 06 0511 \(hexName) 01 0511 \(hexName) 02 80", ["01", "02"]),
            ("000001 0610 00000001 06 0511 \(hexName) 01 80 00 000001 06 0510 \(hexName) 80 000001 65", ["01", ""]),
            // Emulation prevention inside; the size counts the bytes without it.
            ("000001 06 0514 \(hexName) 00000301 ff 80", ["000001ff"]),
            ("000001 06 0514 \(hexName) 00000300 0003 03 80", ["00000000"]),
            // Sizes of more than 255 are in the next test. Other names, other types, slices that look alike: not ours.
            ("000001 06 0511 \(hexName.replacing("9c", with: "9d")) 01 80", []),
            ("000001 06 0411 \(hexName) 01 80", []), ("000001 65 0511 \(hexName) 01 80", []),
            // Cut short: before the end of the second message, of the name, of the size.
            ("000001 06 0511 \(hexName) 01 0512 \(hexName) 02", ["01"]), ("000001 06 0511 9c21", []),
            ("000001 06 05", []),
            ("000001 06 ffff", []), ("000001 06 05 02 0102 80", []), ("", []), ("06 0511", []),
        ] as [(String, [String])])
    func readsFromAnnexB(accessUnit: String, data: [String]) {
        #expect(read(bytes(hex: accessUnit)) == data.map { bytes(hex: $0) })
    }

    @Test(
        arguments: [
            // Up to the first slice, and only where there is a message before it.
            ("000001 09f0 00000001 06 0501 80 000001 65 88 000001 06 0500 80", 13),
            ("000001 09f0 000001 65 88 000001 06 0500 80", nil), ("000001 06 0501 80", 7), ("", nil), ("000001", nil),
        ] as [(String, Int?)])
    func theLeadEndsAtTheFirstSlice(accessUnit: String, count: Int?) {
        let found = bytes(hex: accessUnit).withUnsafeBytes {
            UserDataMessage.lead(of: $0, codec: .h264, framing: .startCodes)?.count
        }
        #expect(found == count)
    }

    @Test(
        arguments: [
            ("00000002 09f0 00000004 06050180 00000002 6588 00000002 0605", 14), ("00000002 6588 00000002 0605", nil),
            ("00000004 06050180 000000ff 65", 8), ("00000004 06050180 00", 8), ("00000000 00000002 0605", 10),
            ("0000", nil),
        ] as [(String, Int?)])
    func theLeadOfLengthsEndsAtTheFirstSlice(accessUnit: String, count: Int?) {
        let found = bytes(hex: accessUnit).withUnsafeBytes {
            UserDataMessage.lead(of: $0, codec: .h264, framing: .lengthPrefixes(size: 4))?.count
        }
        #expect(found == count)
    }

    /// x264 writes its settings as user data of 618 bytes in the first packet: the size takes three bytes.
    @Test func readsWhatEncodersWrite() throws {
        let packet = try #require(Fixture.h264InMP4.packets.first).bytes
        let x264 = bytes(hex: "dc45e9bde6d948b7962cd820d923eeef")
        let found = read(packet, .h264, .lengthPrefixes(size: 4), named: x264)
        #expect(found.count == 1)
        #expect(String(decoding: found.first ?? [], as: UTF8.self).hasPrefix("x264 - core 164 r3095"))
        #expect(found.first?.count == 2 * 255 + 128 - 16 && found.first?.last == 0)
        #expect(read(packet, .h264, .lengthPrefixes(size: 4)).isEmpty)
    }

    @Test func unitsAreWrittenAsTheStandardsHaveThem() throws {
        let message = try #require(UserDataMessage(name: Self.name, data: [0, 0, 0, 0, 1]))
        #expect(message.unit(.h264) == bytes(hex: "06 0515 \(Self.hexName) 000003 0000 03 01 80"))
        #expect(message.unit(.hevc) == bytes(hex: "4e01 0515 \(Self.hexName) 000003 0000 03 01 80"))
        let long = try #require(UserDataMessage(name: Self.name, data: Array(repeating: 7, count: 494)))
        // 510 is twice 255 and nothing.
        #expect(long.unit(.h264).starts(with: bytes(hex: "06 05 ffff00")))
    }

    @Test func hasLimits() {
        #expect(UserDataMessage(name: [1, 2], data: []) == nil)
        #expect(UserDataMessage(name: Self.name, data: Array(repeating: 0, count: 4097)) == nil)
        // A longer one is passed over, and what follows it is read.
        let long = bytes(hex: "000001 06 05") + Array(repeating: 0xFF, count: 16) + [0x21] + Self.name
        let body = Array(repeating: UInt8(7), count: 16 * 255 + 0x21 - 16)
        #expect(body.count == 4097)
        #expect(read(long + body + bytes(hex: "0511 \(Self.hexName) 01 80")) == [[1]])
        // So many messages that the last is not reached.
        let many = bytes(hex: "000001 06") + (0..<256).flatMap { _ in [UInt8(1), 1, 7] }
        #expect(read(many + bytes(hex: "0511 \(Self.hexName) 01 80")).isEmpty)
        #expect(read(many.dropLast(3) + bytes(hex: "0511 \(Self.hexName) 01 80")) == [[1]])
    }

    private static let carriers: [(VideoCodec, NALUnitIterator.Framing, [[UInt8]])] = [
        (.h264, .lengthPrefixes(size: 4), Fixture.h264InMP4.packets.map(\.bytes)),
        (.h264, .startCodes, Fixture.h264InTS.packets.map(\.bytes)),
        (.hevc, .lengthPrefixes(size: 4), Fixture.hevcInMP4.packets.map(\.bytes)),
        (.hevc, .startCodes, Fixture.hevcInTS.packets.map(\.bytes)),
    ]

    /// Put into real pictures, every message is read back, stands before the first slice, and all else is as it was.
    @Test(arguments: indicatorMessages)
    func survivesRealPictures(message: IndicatorMessage) throws {
        for (codec, framing, packets) in Self.carriers {
            for packet in packets {
                let written = try #require(
                    packet.withUnsafeBytes {
                        UserDataMessage(message).inserted(into: $0, codec: codec, framing: framing)
                    })
                let indicators = written.withUnsafeBytes {
                    UserDataMessage.indicators(in: $0, codec: codec, framing: framing)
                }
                #expect(indicators == [message.indicator(.userData)])
                let before = try #require(units(packet, framing))
                var after = try #require(units(written, framing))
                let place = try #require(after.firstIndex(of: UserDataMessage(message).unit(codec)))
                #expect(kind(after[place + 1], codec) == .slice)
                #expect(after[..<place].allSatisfy { kind($0, codec) != .slice })
                after.remove(at: place)
                #expect(after == before)
            }
        }
    }

    private func kind(_ unit: [UInt8], _ codec: VideoCodec) -> NALUnitKind? {
        unit.withUnsafeBytes { NALUnitHeader($0, codec: codec)?.kind }
    }

    @Test func isInsertedOnlyWhereAPictureIs() throws {
        let message = UserDataMessage(try #require(indicatorMessages.first))
        func inserted(_ hex: String, _ framing: NALUnitIterator.Framing) -> [UInt8]? {
            bytes(hex: hex).withUnsafeBytes { message.inserted(into: $0, codec: .h264, framing: framing) }
        }
        #expect(inserted("000001 67aa", .startCodes) == nil)
        #expect(inserted("65aa", .startCodes) == nil)
        #expect(inserted("0002 65aa", .lengthPrefixes(size: 2)) != nil)
        // 80 bytes fit; the long target does not.
        #expect(inserted("02 65aa", .lengthPrefixes(size: 1)) != nil)
        let long = UserDataMessage(try #require(indicatorMessages.last))
        #expect(
            bytes(hex: "02 65aa").withUnsafeBytes {
                long.inserted(into: $0, codec: .h264, framing: .lengthPrefixes(size: 1))
            } == nil)
        // A prefix unit stays with its slice; a long start code stays whole.
        let unit = message.unit(.h264)
        #expect(
            inserted("000001 09f0 000001 6eaa 00000001 65aa", .startCodes)
                == bytes(hex: "000001 09f0 00000001") + unit + bytes(hex: "000001 6eaa 00000001 65aa"))
        #expect(
            inserted("000001 09f0 00000001 65aa", .startCodes)
                == bytes(hex: "000001 09f0 00000001") + unit + bytes(hex: "00000001 65aa"))
    }

    @Test func cutAnywhereItStillAnswers() throws {
        let message = UserDataMessage(try #require(indicatorMessages.first))
        let whole = [0, 0, 1] + message.unit(.h264)
        for count in 0..<whole.count - 1 { #expect(read(Array(whole.prefix(count))) == []) }
        #expect(read(whole) == [message.data])
    }

    @Test func hostileInput() {
        let startCode: [UInt8] = [0, 0, 1]
        let real: [[UInt8]] = indicatorMessages.flatMap { message in
            VideoCodec.allCases.map { startCode + UserDataMessage(message).unit($0) }
        }
        forEachHostileInput(seed: 22, real: real) { input, _ in
            for codec in VideoCodec.allCases {
                for framing: NALUnitIterator.Framing in [.startCodes, .lengthPrefixes(size: 2)] {
                    _ = UserDataMessage.indicators(in: input, codec: codec, framing: framing)
                }
            }
        }
    }
}
