internal import FoundationEssentials
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What worlds show, once for each kind: in real time, on sockets, with nginx.
@Suite("What worlds show, on sockets", .inSlots) struct SocketTests {
    private func handoffs(_ play: Play) -> [OriginID] { play.summary.handoffs.map(\.to) }

    /// nginx is killed, and started again at its port.
    @Test("the first dies, the second dies, the first is back", .timeLimit(.minutes(25)))
    func doubleFailure() async throws {
        let file = "main.ts"
        let (first, second) = (try await NginxServer.start(for: file), try await NginxServer.start(for: file))
        let pace = try Fixtures.pace(file)
        let revived = Guarded<NginxServer?>(nil)
        let play = try await Play.run(
            [first.url(file), second.url(file)],
            whilePlaying: { stream in
                guard await stream.reaches(.seconds(2)) else { return }
                first.vanish()
                guard await stream.reaches(.seconds(4)) else { return }
                let again = try? await NginxServer.start(rate: pace.rate, burst: pace.burst, port: first.port)
                revived.withLock { $0 = again }
                guard await stream.reaches(.seconds(5)) else { return }
                second.vanish()
            })
        play.expectUnnoticed(try await References.shared.frames(file), tolerance: 0)
        #expect(handoffs(play) == [OriginID(1), OriginID(0)], "\(play.story)")
    }

    /// nginx keeps a low rate by pauses, which may be seen before the rate is.
    @Test("slow delivery is left while the origin still delivers", .timeLimit(.minutes(25)))
    func slow() async throws {
        let file = "main.ts"
        let second = try Fixtures.size(file) / Fixtures.seconds
        let first = try await NginxServer.start(rate: second / 2, burst: second * 2)
        let other = try await NginxServer.start(for: file)
        let play = try await Play.run([first.url(file), other.url(file)], buffer: .seconds(2))
        play.expectUnnoticed(try await References.shared.frames(file), tolerance: 0)
        #expect(handoffs(play) == [OriginID(1)], "\(play.story)")
        let cause = play.summary.handoffs.first?.event.cause
        #expect(cause == .overloaded || cause == .silence, "\(play.story)")
    }

    /// nginx answers 403 to a request for its directory.
    @Test("an alternate that has nothing is passed over", .timeLimit(.minutes(25)))
    func uselessAlternate() async throws {
        let first = try await DyingOrigin.start("main.mp4")
        let (useless, good) = (try await NginxServer.start(), try await NginxServer.start(for: "main.mp4"))
        let play = try await Play.run([first.url, useless.url(""), good.url("main.mp4")])
        play.expectUnnoticed(try await References.shared.frames("main.mp4"), tolerance: 0)
        #expect(handoffs(play) == [OriginID(2)], "\(play.story)")
    }

    @Test("a standby takes over", .timeLimit(.minutes(25)), arguments: [Standby.warm, .hot])
    func standby(_ standby: Standby) async throws {
        let file = "main.ts"
        let (first, second) = (try await DyingOrigin.start(file, at: 50), try await NginxServer.start(for: file))
        let play = try await Play.run([first.url, second.url(file)]) { $0.standby = standby }
        play.expectUnnoticed(try await References.shared.frames(file), tolerance: 0)
        #expect(play.summary.handoffs.map(\.standby) == [standby], "\(play.story)")
    }

    @Test("the same encode in another container goes on with the next packet", .timeLimit(.minutes(25)))
    func containerPair() async throws {
        let pair = ContainerPair(from: "main.mp4", to: "main.ts", isPaced: true)
        let (first, second) = (try await DyingOrigin.start(pair.from), try await NginxServer.start(for: pair.to))
        try await pair.check(
            try await Play.run(
                [first.url, second.url(pair.to)], buffer: .seconds(2), containers: ContainerPair.containers),
            isTimed: false)
    }

    @Test("of another encode every picture is shown once", .timeLimit(.minutes(25)))
    func encodePair() async throws {
        let pair = EncodePair(from: "main.ts", to: "other.ts")
        let (first, second) = (try await DyingOrigin.start(pair.from), try await NginxServer.start())
        try await pair.check(
            try await Play.run(
                [first.url, second.url(pair.to)], buffer: .seconds(2), containers: EncodePair.containers),
            isTimed: false)
    }

    @Test("the operator, and what the stream says, lead elsewhere", .timeLimit(.minutes(25)), arguments: [false, true])
    func planned(isIndicated: Bool) async throws {
        let end: NPT = .seconds(8)
        let expected = try await Beginnings.shared.frames("main.mp4", to: end)
        let second = try await NginxServer.start()
        let target = second.url("main.ts")
        let place = try TemporaryDirectory()
        let indicators = isIndicated ? [try InsertedIndicator(parsing: "sei,to=\(target),at=6@npt=4")] : []
        let marked = try ServedFile(path: Fixtures.path("main.mp4"), inserting: indicators)
        if case .bytes(let bytes) = marked.content {
            try Data(bytes).write(to: URL(filePath: place.path("main.mp4")))
        }
        let first = try await NginxServer.start(isIndicated ? place.path : Fixtures.directory)
        let play = try await Play.run([first.url("main.mp4"), target], buffer: .seconds(2)) {
            $0.flows = .kinds([.video, .audio])
            $0.to = end
        } whilePlaying: { stream in
            if !isIndicated { try? stream.migrate(to: OriginID(1), at: .seconds(6)) }
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
    }

    @Test("a seek lands at the key frame before, though the server dies", .timeLimit(.minutes(25)))
    func seek() async throws {
        let file = "main.mkv"
        let all = try await References.shared.frames(file).only("video").flows[0].frames.map(\.hash)
        let (first, second) = (try await NginxServer.start(for: file), try await NginxServer.start(for: file))
        let play = try await Play.run(
            [first.url(file), second.url(file)],
            whilePlaying: { stream in
                guard await stream.reaches(.seconds(3)) else { return }
                stream.seek(to: .milliseconds(8500))
                first.vanish()
            })
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        #expect(Array(mine.suffix(100)) == Array(all[200...]), "\(mine.count) pictures\n\(play.story)")
    }
}
