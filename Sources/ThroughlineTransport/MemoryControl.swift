internal import ThroughlineCore

/// A control connection in the memory of a world. Neither TLS nor proxies.
final class MemoryControl: ControlCarrier {
    private let network: MemoryNetwork
    private let host: String
    private let port: Int
    private let usesTLS: Bool
    private let abort: AbortSwitch
    private var connection: (end: MemoryConnection.End, descriptor: Int32)?

    init(network: MemoryNetwork, host: String, port: Int, usesTLS: Bool, abort: AbortSwitch) {
        self.network = network
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
        self.abort = abort
        abort.register(network)
    }

    func connect(deadline: Instant) throws(TransportError) -> ControlEnds {
        if usesTLS { throw TransportError(.tls, "a world has no TLS") }
        let end = network.connect(host: host, port: port)
        let descriptor = network.descriptor(for: end)
        connection = (end, descriptor)
        while true {
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            if end.isRefused { throw TransportError(.refused, "Connection refused") }
            if end.isConnected { break }
            guard Instant.now < deadline else { throw TransportError(.connectTimedOut, "no connection in time") }
            _ = network.wait(for: [end], until: deadline) { abort.isAborted ? true : nil }
        }
        end.noteConnected()
        // Whoever is asked by an address has the same one as whoever asks.
        let address = SocketAddress(numericHost: host, port: 0) == nil ? "127.0.0.1" : host
        return ControlEnds(descriptor: descriptor, local: address, peer: address)
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        guard let end = connection?.end else { throw TransportError(.aborted, "the connection was closed") }
        if end.isBroken { throw TransportError(.reset, "Connection reset by peer") }
        return end.send(Array(bytes)[...])
    }

    func receive(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        guard let end = connection?.end else { throw TransportError(.aborted, "the connection was closed") }
        switch end.receive(into: destination) {
        case .bytes(let count): return count
        case .nothing: return nil
        case .end: throw TransportError(.closedEarly, "the connection was closed")
        case .reset, .refused: throw TransportError(.reset, "Connection reset by peer")
        }
    }

    func close() {
        guard let connection else { return }
        self.connection = nil
        network.forget(connection.descriptor)
        connection.end.finish()
    }
}
