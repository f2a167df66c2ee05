import Testing

@testable import ThroughlineCore

@Suite struct PresentationAccountTests {
    private static let first = Provenance(origin: OriginID(0), joins: 0)
    private static let second = Provenance(origin: OriginID(1), joins: 1)

    /// Pictures every 40 ms, two flows of sound every 20 ms, and subtitles.
    private struct Player {
        var account = PresentationAccount([
            .continuous(.pictures), .continuous(.sound), .continuous(.sound), .sparse,
        ])
        var defects: [MediaDefect] = []

        /// Times in milliseconds.
        mutating func play(
            _ range: Range<Int64>, flows: Set<Int> = [0, 1, 2], from provenance: Provenance = first,
            without holes: [(flow: Int?, range: Range<Int64>)] = [], corrupt: [(flow: Int, range: Range<Int64>)] = []
        ) {
            for time in stride(from: range.lowerBound, to: range.upperBound, by: 20) {
                for flow in flows.sorted() where flow != 0 || time % 40 == 0 {
                    if holes.contains(where: { ($0.flow ?? flow) == flow && $0.range.contains(time) }) { continue }
                    account.presented(
                        flow: flow, pts: .milliseconds(time), dts: .milliseconds(time),
                        duration: .milliseconds(flow == 0 ? 40 : 20),
                        isCorrupt: corrupt.contains { $0.flow == flow && $0.range.contains(time) },
                        provenance: provenance)
                }
                defects += account.takeDefects()
            }
        }

        mutating func end(isWhole: Bool = true, ends: [Int: MediaTime] = [:]) {
            account.finish(isWhole: isWhole, ends: ends)
            defects += account.takeDefects()
        }
    }

    @Test func whatIsWholeHasNoDefects() {
        var player = Player()
        player.play(0..<10_000)
        player.play(10_000..<20_000, from: Self.second)
        player.end()
        #expect(player.defects.isEmpty && player.account.missing == .zero && player.account.damaged == .zero)
        #expect(player.account.played == .seconds(20))
    }

    @Test func aHoleThatIsKnownOfSoundFirstIsOneWithThatOfThePictures() {
        var player = Player()
        player.play(0..<20_000, without: [(1, 4920..<6920), (2, 4920..<6920), (0, 5000..<7000)])
        player.end()
        #expect(player.defects.map(\.flows) == [[0, 1, 2]])
        #expect(player.defects.map(\.npt) == [.milliseconds(4920)])
        #expect(player.account.missing == .milliseconds(2080))
    }

    @Test func aFlowThatEndsEarlyWasToGoOn() {
        var player = Player()
        player.play(0..<8000)
        player.play(8000..<12_000, flows: [0, 2])
        player.end()
        #expect(player.account.missing == .seconds(4) && player.account.tally(of: 1).missing == .seconds(4))
        #expect(player.defects.map(\.flows) == [[1]] && player.defects.map(\.isAtJoin) == [false])
        #expect(player.account.origins[OriginID(0)]?.missing == .seconds(4))
        // Pictures too.
        player = Player()
        player.play(0..<8000)
        player.play(8000..<12_000, flows: [1, 2])
        player.end()
        #expect(player.defects.map(\.flows) == [[0]])
    }

    @Test(arguments: [(8000, 0), (8400, 0), (10_000, 2000), (12_000, 4000), (60_000, 4000)] as [(Int64, Int64)])
    func whereItsContainerSaysThatItEndsThereNothingIsMissing(stated: Int64, missing: Int64) {
        var player = Player()
        player.play(0..<8000)
        player.play(8000..<12_000, flows: [0, 2])
        player.end(ends: [1: .milliseconds(stated)])
        #expect(player.account.missing == .milliseconds(missing))
    }

    @Test func aPlayThatWasEndedTellsNothingOfTheFlowsThatLagBehind() {
        var player = Player()
        player.play(0..<8000)
        player.play(8000..<12_000, flows: [0, 2])
        player.end(isWhole: false)
        #expect(player.account.missing == .zero)
        // Nor does a single picture with sound to it.
        player = Player()
        player.play(0..<20)
        player.play(20..<12_000, flows: [1, 2])
        player.end()
        #expect(player.account.missing == .zero)
    }

    @Test func whatLeadsUpToThePlaceThatWasAskedForIsNotPlayed() {
        var player = Player()
        player.account = PresentationAccount(
            [.continuous(.pictures), .continuous(.sound), .continuous(.sound), .sparse], from: .milliseconds(10_500))
        player.play(10_000..<12_000)
        #expect(player.account.played == .milliseconds(1500))
        player.account.restarted(isBackward: false, from: .milliseconds(30_300))
        player.play(28_000..<31_000, without: [(nil, 29_000..<29_500)])
        #expect(player.account.played == .milliseconds(2200))
        player.account.restarted(isBackward: false)
        player.play(28_000..<31_000)
        player.end()
        #expect(player.account.played == .milliseconds(5200) && player.account.missing == .zero)
    }

    @Test func oneHoleInThreeFlowsIsOneHole() {
        var player = Player()
        player.play(0..<20_000, without: [(nil, 5000..<6000)])
        #expect(player.defects.count == 1, "told while it plays")
        player.end()
        #expect(player.account.missing == .seconds(1))
        #expect((0...2).allSatisfy { player.account.tally(of: $0).missing == .seconds(1) })
        #expect(
            player.defects == [
                MediaDefect(
                    kind: .missing, npt: .seconds(5), duration: .seconds(1), flows: [0, 1, 2], packets: 0,
                    origin: OriginID(0), isAtJoin: false)
            ])
        #expect(player.account.played == .seconds(19))
        #expect(player.account.origins[OriginID(0)]?.missing == .seconds(1))
    }

    @Test func holesThatOverlapAreUnited() {
        var player = Player()
        player.play(0..<20_000, without: [(0, 5000..<5800), (1, 5400..<6200), (2, 12_000..<12_100)])
        player.end()
        #expect(player.account.missing == .milliseconds(1300))
        #expect(player.defects.map(\.flows) == [[0, 1], [2]])
        #expect(player.defects.map(\.npt) == [.seconds(5), .seconds(12)])
    }

    @Test func soundThatIsMissingProvesThatPicturesAre() {
        var player = Player()
        let holes = (1...8).map { (flow: Int?.none, range: Int64($0) * 1000..<Int64($0) * 1000 + 120) }
        player.play(0..<20_000, without: holes)
        player.end()
        #expect(player.account.tally(of: 0).missing == .milliseconds(8 * 120), "more often than pictures alone would")
        #expect(player.account.missing == .milliseconds(8 * 120))
    }

    @Test func whatIsMissingAtAJoinIsSaidToBeThere() {
        var player = Player()
        player.play(0..<5000)
        player.play(5400..<9000, from: Self.second)
        player.end()
        #expect(player.defects.map(\.isAtJoin) == [true] && player.defects.map(\.origin) == [OriginID(1)])
        #expect(player.account.missing == .milliseconds(400))
        #expect((player.account.origins[OriginID(1)]?.missing ?? .zero) == .zero, "of no origin's own media")
    }

    @Test func aFlowThatIsLostIsMissingFromThereOn() {
        var player = Player()
        player.play(0..<5000)
        player.play(5000..<12_000, flows: [0, 1], from: Self.second)
        player.end(isWhole: false)
        #expect(player.account.missing == .seconds(7) && player.account.tally(of: 2).missing == .seconds(7))
        #expect(player.defects.map(\.flows) == [[2]] && player.defects.map(\.npt) == [.seconds(5)])
    }

    @Test func untilItComesBack() {
        var player = Player()
        player.play(0..<5000)
        player.play(5000..<7000, flows: [0, 1], from: Self.second)
        player.play(7000..<12_000, from: Provenance(origin: OriginID(0), joins: 2))
        player.end()
        #expect(player.account.missing == .seconds(2) && player.account.tally(of: 2).missing == .seconds(2))
    }

    @Test func damageIsCountedByPacketsAndInTime() {
        var player = Player()
        player.play(0..<20_000, corrupt: [(0, 5000..<5160), (1, 5100..<5200), (1, 15_000..<15_020)])
        player.account.presented(
            flow: 3, pts: .seconds(16), dts: .seconds(16), duration: .zero, isCorrupt: true, provenance: Self.first)
        player.end()
        #expect(player.account.damaged == .milliseconds(220) && player.account.damagedPackets == 11)
        #expect(
            player.account.tally(of: 0).damagedPackets == 4 && player.account.tally(of: 1).damaged == .milliseconds(120)
        )
        #expect(player.account.tally(of: 3).damagedPackets == 1)
        #expect(player.account.missing == .zero && player.account.origins[OriginID(0)]?.damagedPackets == 11)
        #expect(player.defects.map(\.packets).reduce(0, +) == 11 && player.defects.allSatisfy { $0.kind == .damaged })
    }

    @Test func seeksAddUpWhatWasPlayed() {
        var player = Player()
        player.play(0..<2000)
        player.account.restarted(isBackward: false)
        player.play(10_000..<11_600)
        player.account.restarted(isBackward: false)
        player.play(520..<1520)
        player.end()
        #expect(player.account.played == .milliseconds(4600) && player.account.missing == .zero)
        #expect(player.defects.isEmpty)
    }

    @Test func backwardsNothingIsMissing() {
        var player = Player()
        player.play(0..<4000)
        player.account.restarted(isBackward: true)
        for time in stride(from: -4000, through: 0, by: 1000) as StrideThrough<Int64> {
            player.account.presented(
                flow: 0, pts: .milliseconds(time), dts: .milliseconds(time), duration: .milliseconds(40),
                isCorrupt: false, provenance: Self.first)
        }
        player.account.restarted(isBackward: false)
        player.play(0..<4000)
        player.end()
        #expect(player.account.missing == .zero && player.defects.isEmpty)
    }

    @Test func whateverIsAddedFewGroupsAreOpen() {
        var united = UnitedTime()
        for index in 0..<10_000 as Range<Int64> {
            let start = MediaTime.seconds(index * 30 % 9_973)
            united.add(start..<start + .milliseconds(10), flow: Int(index % 3), provenance: Self.first)
        }
        #expect(united.total > .seconds(9))
        #expect(!united.close(before: nil).isEmpty && united.isEmpty)
    }
}
