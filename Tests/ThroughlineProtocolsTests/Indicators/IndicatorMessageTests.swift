internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct IndicatorMessageTests {
    private func read(_ bytes: [UInt8]) -> IndicatorMessage? { bytes.withUnsafeBytes { IndicatorMessage($0) } }

    /// The layout of the type's documentation, by hand.
    @Test func binaryIsAsDocumented() throws {
        let message = try #require(
            IndicatorMessage(action: .move, event: 0x0102_0304, position: .npt(NPT(flicks: 0x05)), target: "ab"))
        #expect(message.bytes == bytes(hex: "01 01 01020304 01 0000000000000005 0002 6162"))
        #expect(
            read(bytes(hex: "01 03 00000009 02 00000001ffffffff 0000"))
                == IndicatorMessage(action: .end, event: 9, position: .clock((1 << 33) - 1)))
        #expect(
            read(bytes(hex: "01 02 00000000 00 0000000000000000 0000"))
                == IndicatorMessage(action: .stay, event: 0))
        // What is added later is passed over.
        #expect(
            read(bytes(hex: "01 04 00000001 00 0000000000000000 0000 beef"))
                == IndicatorMessage(action: .withdraw, event: 1))
    }

    @Test(arguments: [
        "", "02 01 00000000 00 0000000000000000 0000", "01 00 00000000 00 0000000000000000 0000",
        "01 05 00000000 00 0000000000000000 0000", "01 01 00000000 03 0000000000000000 0000",
        // A negative NPT; more than 33 bits.
        "01 01 00000000 01 ffffffffffffffff 0000", "01 01 00000000 02 0000000200000000 0000",
        // A target that is cut; no UTF-8; with a line break, a space, DEL.
        "01 01 00000000 00 0000000000000000 0002 61", "01 01 00000000 00 0000000000000000 0001 ff",
        "01 01 00000000 00 0000000000000000 0003 610a62", "01 01 00000000 00 0000000000000000 0001 20",
        "01 01 00000000 00 0000000000000000 0001 7f",
    ])
    func othersAreNone(hex: String) {
        #expect(read(bytes(hex: hex)) == nil)
    }

    @Test(arguments: indicatorMessages)
    func survivesBinaryAndText(message: IndicatorMessage) {
        #expect(read(message.bytes) == message)
        #expect(IndicatorMessage(text: message.text) == message)
        for count in 0..<message.bytes.count { #expect(read(Array(message.bytes.prefix(count))) == nil) }
    }

    @Test func targetsHaveALimit() {
        let most = String(repeating: "x", count: 2048)
        #expect(IndicatorMessage(action: .move, event: 0, target: most) != nil)
        #expect(IndicatorMessage(action: .move, event: 0, target: most + "x") == nil)
        #expect(IndicatorMessage(action: .move, event: 0, target: "") == nil)
        let tooLong = bytes(hex: "01 01 00000000 00 0000000000000000 0801") + Array((most + "x").utf8)
        #expect(read(tooLong) == nil)
    }

    @Test(arguments: [
        ("v=1 action=stay", IndicatorMessage(action: .stay, event: 0)),
        (
            "  action=move\tnpt=1.5   v=1 later=2 ",
            IndicatorMessage(action: .move, event: 0, position: .npt(.milliseconds(1500)))
        ),
        (
            "V=1 Action=move target=http://a/?v=2&x=3 event=4294967295",
            IndicatorMessage(action: .move, event: .max, target: "http://a/?v=2&x=3")
        ),
        (
            "v=1 action=end pts=8589934591 pts=1",
            IndicatorMessage(action: .end, event: 0, position: .clock((1 << 33) - 1))
        ),
        ("action=stay", nil), ("v=2 action=stay", nil), ("v=1", nil), ("v=1 action=jump", nil), ("v=1 action=", nil),
        ("v=1 action=move npt=1 pts=2", nil), ("v=1 action=move npt=-1", nil), ("v=1 action=move npt=now", nil),
        ("v=1 action=move pts=8589934592", nil), ("v=1 action=move event=4294967296", nil),
        ("v=1 action=move event=x", nil), ("v=1 action=move target=", nil), ("", nil),
    ])
    func text(text: String, message: IndicatorMessage?) {
        #expect(IndicatorMessage(text: text) == message)
    }

    @Test func becomesAnIndicator() throws {
        let message = try #require(indicatorMessages.first)
        let indicator = message.indicator(.timedMetadata)
        #expect(indicator.kind == .timedMetadata && indicator.action == .move && indicator.event == 7)
        #expect(indicator.position == .npt(.milliseconds(83_500)) && indicator.target == "https://b.example/live.ts")
        let actions = IndicatorMessage.Action.allCases.compactMap { IndicatorMessage(action: $0, event: 1) }
        #expect(actions.map { $0.indicator(.userData).action } == [.move, .stay, .end, .withdraw])
    }

    @Test func hostileInput() {
        forEachHostileInput(
            seed: 21, real: indicatorMessages.map(\.bytes) + indicatorMessages.map { Array($0.text.utf8) }
        ) {
            input, _ in
            if let message = IndicatorMessage(input) { #expect(read(message.bytes) == message) }
            if let message = IndicatorMessage(text: String(decoding: input, as: UTF8.self)) {
                #expect(IndicatorMessage(text: message.text) == message)
            }
        }
    }
}
