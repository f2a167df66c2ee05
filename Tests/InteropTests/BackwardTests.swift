internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Playing backwards where a server that is not ours cannot.
@Suite("Playing backwards", .inSlots) struct BackwardTests {
    @Test(
        "GStreamer's server is not asked, and nothing is seen of it", .timeLimit(.minutes(25)),
        arguments: [("main-fragmented.mp4", RTSPTransportChoice.udp)])
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
        arguments: ["main.mp4"])
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
        let (_, then) = try await play.picturesBothWays()
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

extension Play {
    /// The pictures that were shown, by their numbers in the film, -1 for what is none of it: those that rise at the start,
    /// and what follows them.
    func picturesBothWays() async throws -> (forwards: [Int], then: [Int]) {
        let all = try await References.shared.frames("main.mkv").only("video").flows[0].frames.map(\.hash)
        let numbers = Dictionary(zip(all, 0...), uniquingKeysWith: { first, _ in first })
        let shown = frames.only("video").flows[0].frames.map { numbers[$0.hash] ?? -1 }
        let turn = zip(shown, shown.dropFirst()).enumerated().first { $1.1 <= $1.0 }?.offset ?? shown.count - 1
        return (Array(shown[...turn]), Array(shown[(turn + 1)...]))
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
