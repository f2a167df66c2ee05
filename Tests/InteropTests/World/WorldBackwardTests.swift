internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Playing backwards over RTSP from the lab: the key frames alone, in falling order, each once; through the failure of a
/// server, and forwards again. The film has a key frame every two seconds, which is every 50 pictures.
@Suite("In a world, playing backwards", .inWorlds) struct WorldBackwardTests {
    private func pictures(_ play: Play) async throws -> (forwards: [Int], then: [Int]) {
        try await play.picturesBothWays()
    }

    private struct Turn: Sendable, CustomTestStringConvertible {
        let rate: Rate
        let transport: RTSPTransportChoice
        var testDescription: String { "rate \(rate) over \(transport)" }
    }

    @Test(
        "the key frames before, and forwards again", .timeLimit(.minutes(25)),
        arguments: [
            Turn(rate: Rate(-1), transport: .tcp), Turn(rate: Rate(-2), transport: .tcp),
            Turn(rate: Rate(-2), transport: .udp),
        ])
    private func turns(_ turn: Turn) async throws {
        let places = Guarded<[NPT]>([])
        let (play, _) = try await LabPair.play(
            over: turn.transport, configure: { $0.from = .seconds(7) },
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.milliseconds(8200)) else { return }
                try viewer.player.setRate(turn.rate)
                guard viewer.falls(to: .milliseconds(3500), noting: { npt in places.withLock { $0.append(npt) } })
                else { return }
                try viewer.player.setRate(.normal)
                guard viewer.reaches(.seconds(4)) else { return }
                viewer.player.stop()
            })
        let (forwards, then) = try await pictures(play)
        #expect(forwards.first == 150 && forwards.last ?? 0 >= 204, "\(forwards)\n\(play.story)")
        #expect(Array(then.prefix(3)) == [200, 150, 100], "\(then)\n\(play.story)")
        // Forwards as after a seek, from the key frame at or before.
        let again = Array(then.dropFirst(3))
        #expect(again.count > 30 && again.starts(with: 50..<80), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        let fallen = places.withLock { $0 }
        let rises = zip(fallen, fallen.dropFirst()).filter { $1 - $0 > .milliseconds(50) }
        #expect(rises.isEmpty, "the position falls")
        #expect(play.summary.gapTotal == .zero && play.changes.isEmpty, "\(play.story)")
        let rates = play.events.compactMap { if case .rateChanged(let rate) = $0.kind { rate } else { nil } }
        #expect(rates == [turn.rate, .normal])
    }

    @Test(
        "goes on backwards at another origin", .timeLimit(.minutes(25)),
        arguments: [(false, Standby.cold), (true, .cold), (false, .warm)])
    func survives(paused: Bool, standby: Standby) async throws {
        let configure: @Sendable (inout Configuration) -> Void = {
            $0.from = .seconds(9)
            $0.standby = standby
        }
        let (play, lab) = try await LabPair.play(configure: configure) { viewer, lab in
            guard viewer.reaches(.milliseconds(10_200)) else { return }
            try viewer.player.setRate(Rate(-2))
            guard viewer.falls(to: .milliseconds(7500)) else { return }
            if paused {
                viewer.player.pause()
                let stood = viewer.player.status.npt
                lab.first.kill()
                viewer.waits(.seconds(1))
                guard viewer.player.status.npt == stood else {
                    throw SupportFailure(description: "something goes by while it is paused")
                }
                viewer.player.resume()
            } else {
                lab.first.kill()
            }
            guard viewer.falls(to: .milliseconds(1500)) else { return }
            viewer.player.stop()
        }
        let (forwards, then) = try await pictures(play)
        #expect(forwards.last ?? 0 >= 254, "\(forwards)\n\(play.story)")
        #expect([[250, 200, 150, 100, 50], [250, 200, 150, 100, 50, 0]].contains(then), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.summary.handoffCount == 1 && play.summary.gapTotal == .zero, "\(play.story)")
        let asked = lab.second.log.first { $0.method == "PLAY" }?.range
        #expect(asked?.hasSuffix("-0.000") ?? false, "\(asked ?? "no range")")
        #expect(play.summary.handoffs.map(\.standby) == [standby], "\(play.story)")
    }

    @Test(
        "moves backwards where the server says so, and stays where nobody else can be had", .timeLimit(.minutes(25)),
        arguments: [(nil, true), (NPT.seconds(5), true), (nil, false)])
    func moves(at npt: NPT?, isThereAnother: Bool) async throws {
        let (play, lab) = try await LabPair.play(
            second: isThereAnother ? "" : "refuse", configure: { $0.from = .seconds(9) },
            whilePlaying: { viewer, lab in
                guard viewer.reaches(.milliseconds(10_200)) else { return }
                try viewer.player.setRate(Rate(-2))
                guard viewer.falls(to: .milliseconds(9500)) else { return }
                lab.first.inject(Fault(.rtsp(.redirect(lab.urls[1], from: npt))))
                guard viewer.falls(to: .milliseconds(1500)) else { return }
                viewer.player.stop()
            })
        let (_, then) = try await pictures(play)
        #expect([[250, 200, 150, 100, 50], [250, 200, 150, 100, 50, 0]].contains(then), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.changes.map(\.cause) == [.redirected], "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == (isThereAnother ? [OriginID(1)] : []), "\(play.story)")
        guard isThereAnother, npt != nil else { return }
        // Not before the time that was named is reached from above: the next key frame but one lies below it.
        let asked = try #require(lab.second.log.first { $0.method == "PLAY" }?.range)
        #expect(asked.hasPrefix("npt=5.9") && asked.hasSuffix("-0.000"), "\(asked)")
    }

    @Test("a server that falls silent is left, when the next key frame is overdue", .timeLimit(.minutes(25)))
    func survivesSilence() async throws {
        let (play, _) = try await LabPair.play(
            buffer: .seconds(2), configure: { $0.from = .seconds(7) },
            whilePlaying: { viewer, lab in
                guard viewer.reaches(.milliseconds(8200)) else { return }
                try viewer.player.setRate(Rate(-2))
                guard viewer.falls(to: .milliseconds(5500)) else { return }
                lab.first.inject(Fault(.stall))
                guard viewer.falls(to: .milliseconds(1500)) else { return }
                viewer.player.stop()
            })
        let (_, then) = try await pictures(play)
        #expect([[200, 150, 100, 50], [200, 150, 100, 50, 0]].contains(then), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.changes.map(\.cause) == [.silence] && play.summary.handoffCount == 1, "\(play.story)")
    }

    @Test("stands at the beginning, and goes on from there", .timeLimit(.minutes(25)), arguments: [false, true])
    func reachesTheBeginning(byRate: Bool) async throws {
        let (play, _) = try await LabPair.play(
            arrange: { [$1.urls[0]] },
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.milliseconds(3200)) else { return }
                try viewer.player.setRate(Rate(-2))
                guard viewer.falls(to: .zero) else { return }
                viewer.waits(.milliseconds(500))
                guard viewer.player.status.npt == .zero else { throw SupportFailure(description: "it does not stand") }
                if byRate { try viewer.player.setRate(.normal) } else { viewer.player.resume() }
                guard viewer.reaches(.seconds(1)) else { return }
                viewer.player.stop()
            })
        let (_, then) = try await pictures(play)
        let again = Array(then.dropFirst(2))
        #expect(Array(then.prefix(2)) == [50, 0], "\(then)\n\(play.story)")
        #expect(again.count > 20 && again.starts(with: 0..<20), "\(then)\n\(play.story)")
        #expect(play.changes.isEmpty, "\(play.story)")
        let stands = play.events.contains { if case .paused(true, .zero) = $0.kind { true } else { false } }
        #expect(stands, "\(play.story)")
    }

    @Test(
        "a server that does not is played on forwards", .timeLimit(.minutes(25)),
        arguments: ["no-scale", "status=457:play"])
    func isRefused(_ fault: String) async throws {
        let fault = try Fault(parsing: fault)
        let (play, _) = try await LabPair.play(
            configure: { $0.from = .seconds(7) },
            arrange: { fault.kind == .rtsp(.withoutScale) ? [$1.urls[0]] : $1.urls },
            whilePlaying: { viewer, lab in
                guard viewer.reaches(.milliseconds(8200)) else { return }
                lab.first.inject(fault)
                try viewer.player.setRate(Rate(-1))
                guard viewer.reaches(.seconds(10)) else { return }
                viewer.player.stop()
            })
        let (forwards, then) = try await pictures(play)
        #expect(forwards.last ?? 0 >= 204, "\(forwards)\n\(play.story)")
        #expect(then.count > 30 && then.starts(with: 200..<230), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("does not play backwards") }, "\(play.story)")
    }

}

extension WorldViewer {
    /// Waits until the position has fallen this far; false when the play is over before.
    fileprivate func falls(to npt: NPT, noting note: (NPT) -> Void = { _ in }) -> Bool {
        waits { player in
            guard let now = player.status.npt else { return false }
            note(now)
            return now <= npt
        }
    }
}
