internal import Testing
internal import ThroughlineCore

@Suite struct FlowAccountTests {
    @Test func thePositionIsTheFurthestEnd() {
        var account = FlowAccount()
        #expect(account.position == nil)
        for (pts, dts) in [(0, -80), (160, -40), (80, 0), (40, 40)] as [(Int64, Int64)] {
            account.received(
                pts: .milliseconds(pts), dts: .milliseconds(dts), duration: .milliseconds(40), byteCount: 100)
        }
        #expect(account.end == .milliseconds(200))
        #expect(account.lastDecode == .milliseconds(40))
        #expect(account.packets == 4 && account.bytes == 400)
        #expect(account.position == Position(npt: .milliseconds(200), basis: .timestamps))
    }

    @Test func oneTimeStandsInForTheOther() {
        var account = FlowAccount()
        account.received(pts: nil, dts: nil, duration: .milliseconds(20), byteCount: 1)
        #expect(account.end == nil && account.lastDecode == nil && account.packets == 1)
        account.received(pts: .milliseconds(40), dts: nil, duration: .milliseconds(20), byteCount: 1)
        #expect(account.end == .milliseconds(60) && account.lastDecode == .milliseconds(40))
        account.received(pts: nil, dts: .milliseconds(60), duration: .milliseconds(20), byteCount: 1)
        #expect(account.end == .milliseconds(80) && account.lastDecode == .milliseconds(60))
    }

    @Test func aCutBringsThePositionBack() {
        var account = FlowAccount()
        account.cut(to: .seconds(1))
        #expect(account.end == nil)
        account.received(pts: .seconds(2), dts: .seconds(2), duration: .seconds(1), byteCount: 1)
        account.cut(to: .seconds(9))
        #expect(account.end == .seconds(3))
        account.cut(to: .milliseconds(2500))
        #expect(account.end == .milliseconds(2500))
    }
}
