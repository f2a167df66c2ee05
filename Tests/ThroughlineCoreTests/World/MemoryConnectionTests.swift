internal import Testing
internal import ThroughlineCore

/// Connections of a world.
@Suite(.timeLimit(.minutes(25)))
struct MemoryConnectionTests {
    @Test("What is sent while a reset is under way is taken, and lost; once it is known nothing is")
    func sendingIntoAReset() throws {
        try World(seed: 3).run {
            let network = try #require(MemoryNetwork.current)
            let port = network.newPort()
            let accepted = Guarded<MemoryConnection.End?>(nil)
            let link = NetworkLink(latency: .milliseconds(20))
            #expect(
                network.listen(host: "origin", port: port, link: link) { end in
                    accepted.withLockAndWake { $0 = end }
                })
            defer { network.stopListening(host: "origin", port: port) }
            let client = network.connect(host: "origin", port: port)
            let server = accepted.wait { end, _ in end }
            func passes(_ time: Duration) {
                let _: Void? = network.wait(for: [], until: .now + time) { nil }
            }
            passes(.milliseconds(50))
            #expect(client.isConnected)
            client.noteConnected()
            server.reset()
            // Whoever is told that there is room for something can send it: nobody asks again and again.
            #expect(client.send([1, 2, 3]) == 3)
            #expect(!client.isBroken)
            passes(.milliseconds(50))
            #expect(client.isBroken && client.send([4]) == 0)
        }
    }
}
