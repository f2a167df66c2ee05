internal import ThroughlineCore

/// Ports of a world.
final class MemoryDatagramPorts: DatagramPorts {
    let ports: ClosedRange<UInt16>
    /// RTP, RTCP; none when closed.
    private var ends: [MemoryDatagrams]
    private let peers: [MemoryDatagrams.Place]

    /// - Parameters:
    ///   - host: of the origin.
    ///   - link: what the way from and to it is like.
    ///   - client: the host of the client.
    init?(
        network: MemoryNetwork, host: String, link: NetworkLink, client: String, clientPorts: ClosedRange<UInt16>
    ) {
        var pair: [MemoryDatagrams] = []
        for _ in 0..<100 where pair.isEmpty {
            guard let first = network.bindDatagrams(host: host, port: 0, link: link) else { continue }
            let number = first.place.port
            guard number % 2 == 0, number < 65_535,
                let second = network.bindDatagrams(host: host, port: number + 1, link: link)
            else {
                first.close()
                continue
            }
            pair = [first, second]
        }
        guard let first = pair.first else { return nil }
        ports = UInt16(first.place.port)...UInt16(first.place.port + 1)
        ends = pair
        peers = [clientPorts.lowerBound, clientPorts.upperBound].map {
            MemoryDatagrams.Place(host: client, port: Int($0))
        }
    }

    deinit { close() }

    func send(_ packet: [UInt8], isControl: Bool) {
        guard !ends.isEmpty else { return }
        let index = isControl ? 1 : 0
        _ = ends[index].send(packet, to: peers[index])
    }

    func drain() -> Bool {
        var isAlive = false
        for (index, end) in ends.enumerated() {
            while case .datagram = end.receive() { if index == 1 { isAlive = true } }
        }
        return isAlive
    }

    func close() {
        for end in ends { end.close() }
        ends = []
    }
}
