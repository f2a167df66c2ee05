internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A viewer who goes elsewhere while the last of the film is presented.
///
/// `THROUGHLINE_RACES=1000` plays so many seeds; `THROUGHLINE_SEED=7` that one alone.
@Suite("In a world, the last second", .inWorlds) struct WorldLastSecondTests {
    static let seeds = WorldSeeds.races(10)

    /// At some moment up to the very last, paced or at full speed: it is done, or the viewer is told that it is too late.
    @Test("a seek is carried out or refused", .timeLimit(.minutes(25)), arguments: seeds)
    func seeks(_ seed: UInt64) async throws {
        var draws = SeededDraws(seed: seed)
        let file = draws.one(of: ["main.mkv", "main.mp4", "main-fragmented.mp4", "main.ts"])
        let isFast = draws.isOne(in: 4)
        // When the first seek comes, in microseconds after the first packet was presented.
        let late = draws.isOne(in: 3) ? draws.number(11_900_000...12_100_000) : draws.number(10_800_000...12_050_000)
        let moment = Duration.microseconds(isFast ? draws.number(0...40) * 100 : late)
        let hasEnd = draws.isOne(in: 3)
        let seeks = draws.number(1...3)
        let waitsBetween = draws.isOne(in: 2)
        let all = try await References.shared.frames(file).only("video").flows[0].frames.map(\.hash)
        let asked = Guarded(0)
        let play = try await inWorld(seed: seed) { world in
            let origins = [try world.origin(file, pace: isFast ? nil : Rate(5, 4)), try world.origin(file)]
            return try world.play(origins.map(\.film), pacing: isFast ? .fast : .realtime) {
                if hasEnd { $0.to = .seconds(Int64(Fixtures.seconds)) }
            } whilePlaying: { viewer in
                guard viewer.waits(moment) else { return }
                for number in 1...Int64(seeks) {
                    viewer.player.seek(to: .milliseconds(8500 + number * 100))
                    asked.withLock { $0 += 1 }
                    if waitsBetween, !viewer.waits(Duration.milliseconds(number * 3)) { return }
                }
            }
        }
        let story =
            "\(file), \(isFast ? "fast" : "paced"), \(seeks) seeks at \(moment)\(hasEnd ? ", to the end" : "")\n\(play.story)"
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(story)")
        #expect(play.summary.gapTotal == .zero, "\(story)")
        let wasTooLate = play.summary.warnings.filter { $0.contains("too late") }.count
        let sought = play.events.contains { if case .sought = $0.kind { true } else { false } }
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        let asks = asked.withLock { $0 }
        // The last hundred pictures are those from the key frame at 8 s, to which each seek leads, to the end.
        let isWhole = asks > wasTooLate ? Array(mine.suffix(100)) == Array(all.suffix(100)) : mine == all
        #expect(isWhole && sought == (asks > wasTooLate), "\(mine.count) pictures, \(asks) asked\n\(story)")
    }
}
