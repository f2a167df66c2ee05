internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Playing backwards over RTSP from the lab: the key frames alone, in falling order, each once; through the failure of a
/// server, and forwards again. The film has a key frame every two seconds, which is every 50 pictures.
@Suite("Playing backwards", .inSlots) struct BackwardTests {
    /// The pictures that were shown, by their numbers in the film, -1 for what is none of it: those that rise at the start,
    /// and what follows them.
    private func pictures(_ play: Play) async throws -> (forwards: [Int], then: [Int]) {
        let all = try await References.shared.frames("main.mkv").only("video").flows[0].frames.map(\.hash)
        let numbers = Dictionary(zip(all, 0...), uniquingKeysWith: { first, _ in first })
        let shown = play.frames.only("video").flows[0].frames.map { numbers[$0.hash] ?? -1 }
        let turn = zip(shown, shown.dropFirst()).enumerated().first { $1.1 <= $1.0 }?.offset ?? shown.count - 1
        return (Array(shown[...turn]), Array(shown[(turn + 1)...]))
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
        let lab = try await LabPair.start()
        let places = Guarded<[NPT]>([])
        let play = try await Play.run(lab.urls) {
            $0.rtspTransport = turn.transport
            $0.from = .seconds(7)
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(8200)) else { return }
            try? stream.setRate(turn.rate)
            guard await stream.falls(to: .milliseconds(3500), noting: { npt in places.withLock { $0.append(npt) } })
            else { return }
            try? stream.setRate(.normal)
            guard await stream.rises(to: .seconds(4)) else { return }
            stream.stop()
        }
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
        let lab = try await LabPair.start()
        let play = try await Play.run(lab.urls) {
            $0.rtspTransport = .tcp
            $0.from = .seconds(9)
            $0.standby = standby
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(10_200)) else { return }
            try? stream.setRate(Rate(-2))
            guard await stream.falls(to: .milliseconds(7500)) else { return }
            if paused {
                stream.pause()
                let stood = stream.status.npt
                lab.first.kill()
                try? await Task.sleep(for: .seconds(1))
                #expect(stream.status.npt == stood, "nothing goes by while it is paused")
                stream.resume()
            } else {
                lab.first.kill()
            }
            guard await stream.falls(to: .milliseconds(1500)) else { return }
            stream.stop()
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
        let lab = try await LabPair.start(secondFaults: isThereAnother ? [] : [Fault(.refuse)])
        let play = try await Play.run(lab.urls) {
            $0.rtspTransport = .tcp
            $0.from = .seconds(9)
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(10_200)) else { return }
            try? stream.setRate(Rate(-2))
            guard await stream.falls(to: .milliseconds(9500)) else { return }
            lab.first.inject(Fault(.rtsp(.redirect(lab.urls[1], from: npt))))
            guard await stream.falls(to: .milliseconds(1500)) else { return }
            stream.stop()
        }
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
        let lab = try await LabPair.start()
        let play = try await Play.run(lab.urls, buffer: .seconds(2)) {
            $0.rtspTransport = .tcp
            $0.from = .seconds(7)
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(8200)) else { return }
            try? stream.setRate(Rate(-2))
            guard await stream.falls(to: .milliseconds(5500)) else { return }
            lab.first.inject(Fault(.stall))
            guard await stream.falls(to: .milliseconds(1500)) else { return }
            stream.stop()
        }
        let (_, then) = try await pictures(play)
        #expect([[200, 150, 100, 50], [200, 150, 100, 50, 0]].contains(then), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.changes.map(\.cause) == [.silence] && play.summary.handoffCount == 1, "\(play.story)")
    }

    @Test("stands at the beginning, and goes on from there", .timeLimit(.minutes(25)), arguments: [false, true])
    func reachesTheBeginning(byRate: Bool) async throws {
        let lab = try await LabPair.start()
        let play = try await Play.run([lab.urls[0]]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(3200)) else { return }
            try? stream.setRate(Rate(-2))
            guard await stream.falls(to: .zero) else { return }
            try? await Task.sleep(for: .milliseconds(500))
            #expect(stream.status.npt == .zero, "it stands")
            if byRate { try? stream.setRate(.normal) } else { stream.resume() }
            guard await stream.rises(to: .seconds(1)) else { return }
            stream.stop()
        }
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
        let lab = try await LabPair.start()
        let play = try await Play.run(fault.kind == .rtsp(.withoutScale) ? [lab.urls[0]] : lab.urls) {
            $0.rtspTransport = .tcp
            $0.from = .seconds(7)
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(8200)) else { return }
            lab.first.inject(fault)
            try? stream.setRate(Rate(-1))
            guard await stream.rises(to: .seconds(10)) else { return }
            stream.stop()
        }
        let (forwards, then) = try await pictures(play)
        #expect(forwards.last ?? 0 >= 204, "\(forwards)\n\(play.story)")
        #expect(then.count > 30 && then.starts(with: 200..<230), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("does not play backwards") }, "\(play.story)")
    }

    @Test(
        "GStreamer's server is not asked, and nothing is seen of it", .timeLimit(.minutes(25)),
        arguments: [("main.mkv", RTSPTransportChoice.tcp), ("main-fragmented.mp4", .udp)])
    func isNotAsked(_ file: String, _ transport: RTSPTransportChoice) async throws {
        let expected = try await RTSPReferences.shared.frames(file)
        let server = try await RTSPServer.start()
        let play = try await Play.run([server.url(file)]) {
            $0.rtspTransport = transport
        } whilePlaying: { stream in
            guard await stream.rises(to: .seconds(2)) else { return }
            try? stream.setRate(Rate(-1))
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.warnings.contains { $0.contains("does not play backwards") }, "\(play.story)")
        #expect(play.changes.isEmpty && play.summary.handoffCount == 0, "\(play.story)")
    }

    @Test(
        "goes on forwards where only GStreamer's server is left", .timeLimit(.minutes(25)),
        arguments: ["main.mkv", "main.mp4"])
    func goesOnForwards(_ file: String) async throws {
        let lab = try await LabPair.start()
        let server = try await RTSPServer.start()
        let play = try await Play.run([lab.urls[0], server.url(file)]) {
            $0.rtspTransport = .tcp
            $0.from = .seconds(7)
        } whilePlaying: { stream in
            guard await stream.rises(to: .milliseconds(8200)) else { return }
            try? stream.setRate(Rate(-1))
            guard await stream.falls(to: .milliseconds(6500)) else { return }
            lab.first.kill()
            guard await stream.rises(to: .seconds(9)) else { return }
            stream.stop()
        }
        let (_, then) = try await pictures(play)
        #expect(then.first == 200, "\(then)\n\(play.story)")
        // Forwards as after a seek, from the key frame at or before.
        let again = Array(then.drop { $0 > 150 })
        #expect(again.starts(with: 150..<200), "\(then)\n\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("does not play backwards") }, "\(play.story)")
        #expect(play.summary.handoffCount == 1, "\(play.story)")
    }

    @Test("over HTTP it is refused") func isRefusedOverHTTP() async throws {
        let play = try await Play.run(
            [Fixtures.path("main.mkv")],
            whilePlaying: { stream in
                let error = #expect(throws: StreamError.self) { try stream.setRate(Rate(-1)) }
                #expect(error?.code == .usage)
                stream.stop()
            })
        #expect(play.summary.error?.code == .stopped)
    }
}

extension ResilientStream {
    /// Waits until the position has fallen this far; false when it does not for too long.
    fileprivate func falls(to npt: NPT, noting note: (NPT) -> Void = { _ in }) async -> Bool {
        await comes { now in
            note(now)
            return now <= npt
        }
    }

    fileprivate func rises(to npt: NPT) async -> Bool { await comes { $0 >= npt } }

    private func comes(_ isThere: (NPT) -> Bool) async -> Bool {
        let deadline = Instant.now + .seconds(15)
        while Instant.now < deadline {
            if let npt = status.npt, isThere(npt) { return true }
            if Task.isCancelled { return false }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return false }
        }
        return false
    }
}
