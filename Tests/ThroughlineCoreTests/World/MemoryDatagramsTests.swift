internal import Testing
internal import ThroughlineCore

/// Datagrams of a world: what is lost, doubled, late or overtaken by its seed, and what is heard of ports that are closed.
@Suite(.timeLimit(.minutes(25)))
struct MemoryDatagramsTests {
    private static let host = "127.0.0.1"

    /// What comes of so many datagrams that are sent at once, in the order of their arrival.
    private func arrivals(_ count: Int, seed: UInt64, over link: NetworkLink) throws -> [(number: Int, after: Duration)]
    {
        try World(seed: seed).run {
            let network = try #require(MemoryNetwork.current)
            let from = try #require(network.bindDatagrams(host: Self.host, port: 0, link: link))
            let to = try #require(network.bindDatagrams(host: Self.host, port: 0))
            defer {
                from.close()
                to.close()
            }
            let began = Instant.now
            for number in 0..<count { #expect(from.send([UInt8(number >> 8), UInt8(number & 0xff)], to: to.place)) }
            var taken: [(number: Int, after: Duration)] = []
            var entries = [MemoryInterest(descriptor: to.descriptor, wantsInput: true, wantsOutput: false)]
            while true {
                network.poll(&entries, until: began + .seconds(1)) { false }
                guard entries[0].isReadable else { return taken }
                guard case .datagram(let bytes, from.place) = to.receive() else {
                    Issue.record("readable, and nothing there")
                    return taken
                }
                taken.append((Int(bytes[0]) << 8 | Int(bytes[1]), Instant.now - began))
            }
        }
    }

    @Test("They come after the latency, in order")
    func latency() throws {
        let taken = try arrivals(50, seed: 1, over: NetworkLink(latency: .milliseconds(30)))
        #expect(taken.map(\.number) == Array(0..<50))
        #expect(taken.allSatisfy { $0.after == .milliseconds(30) })
    }

    @Test("Jitter keeps the order")
    func jitter() throws {
        let link = NetworkLink(latency: .milliseconds(30), jitter: .milliseconds(20))
        let taken = try arrivals(50, seed: 1, over: link)
        #expect(taken.map(\.number) == Array(0..<50))
        #expect(taken.allSatisfy { $0.after >= .milliseconds(30) && $0.after <= .milliseconds(50) })
        #expect(Set(taken.map(\.after)).count > 1)
    }

    @Test("Some are lost, and the same ones for the same seed")
    func loss() throws {
        let link = NetworkLink(loss: 10)
        let taken = try arrivals(1000, seed: 3, over: link).map(\.number)
        #expect((850...950).contains(taken.count) && taken == taken.sorted())
        #expect(try arrivals(1000, seed: 3, over: link).map(\.number) == taken)
        #expect(try arrivals(1000, seed: 4, over: link).map(\.number) != taken)
    }

    @Test("Some come twice")
    func duplication() throws {
        let taken = try arrivals(1000, seed: 3, over: NetworkLink(duplication: 10)).map(\.number)
        #expect((1050...1150).contains(taken.count) && Set(taken).count == 1000)
    }

    @Test("Some are overtaken by those behind them, and all of them come")
    func reordering() throws {
        let link = NetworkLink(reordering: 10, holdBack: .milliseconds(5))
        let taken = try arrivals(1000, seed: 3, over: link)
        #expect(taken.map(\.number) != Array(0..<1000) && taken.map(\.number).sorted() == Array(0..<1000))
        #expect(taken.allSatisfy { $0.after <= .milliseconds(5) })
        #expect((70...130).contains(taken.count { $0.after > .zero }))
    }

    @Test("Whoever is connected hears when nobody is there, once, after a way there and back")
    func refused() throws {
        try World(seed: 1).run {
            let network = try #require(MemoryNetwork.current)
            let link = NetworkLink(latency: .milliseconds(10))
            let end = try #require(network.bindDatagrams(host: Self.host, port: 0, link: link))
            let gone = MemoryDatagrams.Place(host: Self.host, port: 9)
            defer { end.close() }
            func wait(_ duration: Duration) -> Bool {
                var entries = [MemoryInterest(descriptor: end.descriptor, wantsInput: true, wantsOutput: false)]
                network.poll(&entries, until: .now + duration) { false }
                return entries[0].isReadable
            }
            #expect(end.send([1], to: gone))
            #expect(!wait(.seconds(1)), "it is not connected")
            end.connect(to: gone)
            let began = Instant.now
            #expect(end.send([1], to: gone) && end.send([2], to: gone))
            #expect(end.receive() == .nothing)
            #expect(wait(.seconds(1)) && Instant.now - began == .milliseconds(20))
            #expect(end.receive() == .refused)
            #expect(end.receive() == .nothing && !wait(.seconds(1)))
            // The next thing that is sent tells it as well, and is not sent then.
            #expect(end.send([3], to: gone))
            #expect(wait(.seconds(1)))
            #expect(!end.send([4], to: gone))
            #expect(end.send([5], to: gone))
        }
    }

    @Test("A port has one owner, and is free when that has closed it; strangers find nobody at one that is connected")
    func ports() throws {
        try World(seed: 1).run {
            let network = try #require(MemoryNetwork.current)
            let end = try #require(network.bindDatagrams(host: Self.host, port: 0))
            #expect(network.bindDatagrams(host: Self.host, port: end.place.port) == nil)
            let stranger = try #require(network.bindDatagrams(host: Self.host, port: 0))
            let friend = try #require(network.bindDatagrams(host: Self.host, port: 0))
            stranger.connect(to: end.place)
            friend.connect(to: end.place)
            end.connect(to: friend.place)
            #expect(stranger.send([1], to: end.place) && friend.send([2], to: end.place))
            #expect(end.receive() == .datagram([2], from: friend.place))
            #expect(end.receive() == .nothing && stranger.receive() == .refused)
            end.close()
            #expect(friend.send([3], to: end.place))
            #expect(friend.receive() == .refused)
            let next = try #require(network.bindDatagrams(host: Self.host, port: end.place.port))
            for end in [next, stranger, friend] { end.close() }
        }
    }

    @Test("What nobody receives is lost beyond the room there is")
    func room() throws {
        try World(seed: 1).run {
            let network = try #require(MemoryNetwork.current)
            let (from, to) = (
                try #require(network.bindDatagrams(host: Self.host, port: 0)),
                try #require(network.bindDatagrams(host: Self.host, port: 0))
            )
            let datagram = [UInt8](repeating: 7, count: 64 << 10)
            for _ in 0..<40 { #expect(from.send(datagram, to: to.place)) }
            var count = 0
            while case .datagram = to.receive() { count += 1 }
            #expect(count == MemoryDatagrams.capacity / datagram.count)
            from.close()
            to.close()
        }
    }
}
