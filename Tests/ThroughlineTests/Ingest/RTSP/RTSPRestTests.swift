internal import Testing
internal import ThroughlineCore

@testable internal import Throughline

/// How long an RTSP source leaves its sockets alone.
@Suite struct RTSPRestTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)
    private let reserve = PlayoutReserve()
    private var rest = RTSPRest()

    init() {
        rest.reserve = reserve
        rest.played(at: Self.start)
    }

    /// How long it rests after bytes that come so long after PLAY, of which the viewer has `left` to see.
    private mutating func after(
        _ milliseconds: Int64, bytes: Int = 1000, left: Duration = .seconds(2), mayRest: Bool = true,
        room: Int = 64 << 10
    ) -> Duration? {
        let now = Self.start + .milliseconds(milliseconds)
        reserve.lasts(until: now + left)
        rest.received(bytes)
        rest.turnEnded(at: now, mayRest: mayRest, room: room)
        return rest.end.map { $0 - now }
    }

    @Test(
        "it rests a part of what the viewer has to see, and no longer than two pictures",
        arguments: [
            (60_000, 80), (2000, 80), (1000, 40), (125, 5), (124, nil), (0, nil),
        ] as [(Int, Int?)])
    mutating func howLong(left: Int, rested: Int?) {
        #expect(after(3000, left: .milliseconds(left)) == rested.map { .milliseconds($0) })
    }

    @Test("what begins is taken as it comes, and so is what begins anew")
    mutating func beginnings() {
        #expect(after(1999) == nil)
        #expect(after(2000) == .milliseconds(80))
        rest.played(at: Self.start + .seconds(3))
        #expect(rest.end == nil)
        #expect(after(4000) == nil)
        #expect(after(5000) == .milliseconds(80))
    }

    @Test("where nothing came, what comes next is taken at once")
    mutating func nothingCame() {
        #expect(after(3000) != nil)
        rest.turnEnded(at: Self.start + .milliseconds(3080), mayRest: true, room: 64 << 10)
        #expect(rest.end == nil)
    }

    @Test("it does not rest where others wait for what comes, nor where nobody watches")
    mutating func others() {
        #expect(after(3000, mayRest: false) == nil)
        rest.reserve = nil
        #expect(after(3100) == nil)
    }

    @Test("it does not rest where more came at once than the sockets may hold, however long ago")
    mutating func bursts() {
        #expect(after(3000, room: 1000) != nil)
        #expect(after(3080, bytes: 1, room: 1000) == nil)
        #expect(after(9000, room: 1000) == nil)
    }

    @Test("nothing is left of what is nowhere presented")
    func empty() {
        #expect(PlayoutReserve().left(at: Self.start) == .zero)
        reserve.lasts(until: .never)
        #expect(reserve.left(at: Self.start) > .seconds(3600))
        reserve.lasts(until: nil)
        #expect(reserve.left(at: Self.start) == .zero)
    }
}
