internal import Glibc
internal import ThroughlineCore

/// A port for datagrams of a world.
final class MemoryDatagramCarrier: DatagramCarrier {
    private let datagrams: MemoryDatagrams
    private var peer: MemoryDatagrams.Place?

    /// - Parameter port: 0 for any.
    /// - Returns: `nil` when the port is taken.
    init?(_ network: MemoryNetwork, at local: SocketAddress, _ port: UInt16) {
        guard let host = local.numericHost,
            let datagrams = network.bindDatagrams(host: host, port: Int(port))
        else { return nil }
        self.datagrams = datagrams
    }

    deinit { close() }

    func close() { datagrams.close() }

    var descriptor: Int32 { datagrams.descriptor }
    var port: UInt16 { UInt16(clamping: datagrams.place.port) }
    func growReceiveBuffer(to size: Int) -> Int { MemoryDatagrams.capacity }

    func connect(to peer: SocketAddress) throws(SystemError) {
        guard let host = peer.numericHost else { throw SystemError(number: EINVAL) }
        let place = MemoryDatagrams.Place(host: host, port: Int(peer.port))
        self.peer = place
        datagrams.connect(to: place)
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Bool {
        guard let peer else { throw SystemError(number: EDESTADDRREQ) }
        guard datagrams.send(Array(bytes), to: peer) else { throw SystemError(number: ECONNREFUSED) }
        return true
    }

    func receive(
        from peer: SocketAddress?, onAnyPort: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> Int {
        for count in 0..<DatagramPair.batchCount {
            switch datagrams.receive() {
            case .nothing: return count
            case .refused: throw SystemError(number: ECONNREFUSED)
            case .datagram(let bytes, let sender):
                if let peer, sender.host != peer.numericHost || !onAnyPort && sender.port != Int(peer.port) { continue }
                bytes.withUnsafeBytes(body)
            }
        }
        return DatagramPair.batchCount
    }
}
