package import ThroughlineCore

/// A connection that carries bytes both ways: `rtsp` over TCP, `rtsps` over TLS. libcurl makes it, so names with several
/// addresses, certificates, and proxies from the environment (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`;
/// through HTTP proxies by `CONNECT`) are as with the HTTP client.
///
/// `connect` once; then `send` and `receive`, which never wait: sleep with a `SocketWaiter` on `descriptor`, and only
/// after `receive` returned `nil`, because TLS may hold bytes that the socket no longer shows. Once something was
/// thrown, every later call throws the same.
///
/// Used by one thread at a time.
package final class ControlConnection {
    private let name: String
    private let abort: AbortSwitch
    /// `nil` when closed.
    private var carrier: (any ControlCarrier)?
    private var failure: TransportError?

    package let usesTLS: Bool
    /// For waiting only; -1 when not connected.
    package private(set) var descriptor: Int32 = -1
    /// Our own address as digits, with the scope of a link-local one; `nil` when not connected.
    package private(set) var localAddress: String?
    /// The address of the other end: of the proxy, where there is one.
    package private(set) var peerAddress: String?
    /// Whether the other end is a proxy. Datagrams do not come through one. A SOCKS proxy that listens on the port of
    /// the origin goes unnoticed.
    package private(set) var isProxied = false
    /// Bytes may be at hand although the socket shows none: true until `receive` has returned `nil`.
    package private(set) var hasBufferedInput = false

    /// Speaks to nobody yet.
    ///
    /// - Parameters:
    ///   - host: a name or an address; an IPv6 address with or without brackets.
    ///   - caFile: certificate authorities to trust, a PEM file, in place of the system's. TLS is always verified.
    ///   - abort: ends all calls.
    /// - Throws: `.invalidURL` when `host` is none.
    package init(
        host: String, port: UInt16, usesTLS: Bool, caFile: String? = nil, abort: AbortSwitch
    ) throws(TransportError) {
        self.usesTLS = usesTLS
        self.abort = abort
        let isBare = host.contains(":") && !host.hasPrefix("[")
        let shown = isBare ? "[\(host)]" : host
        name = "\(usesTLS ? "rtsps" : "rtsp")://\(shown.printable(limit: 256)):\(port)"
        // Nothing that would make another URL of it.
        guard
            port != 0, !host.isEmpty, host.utf8.count <= 255,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && !"/\\?#@\"<>^`{|}".utf8.contains($0) })
        else { throw TransportError(.invalidURL, "\"\(redacted(name))\" is not an address") }
        // RFC 6874: the scope of an address follows an encoded percent sign.
        let encoded = isBare && !host.contains("%25") ? shown.split(separator: "%").joined(separator: "%25") : shown
        let address = try HTTPAddress("\(usesTLS ? "https" : "http")://\(encoded):\(port)/")
        if let network = MemoryNetwork.current {
            let bare = address.host.filter { $0 != "[" && $0 != "]" }
            carrier = MemoryControl(network: network, host: bare, port: Int(port), usesTLS: usesTLS, abort: abort)
        } else {
            carrier = try CurlControl(
                address, host: host, port: port, usesTLS: usesTLS, caFile: caFile, abort: abort)
        }
    }

    deinit { close() }

    /// Ends the connection. Nothing can be done with it after that.
    package func close() {
        guard let carrier else { return }
        self.carrier = nil
        carrier.close()
        descriptor = -1
        hasBufferedInput = false
        if failure == nil { failure = TransportError(.aborted, "\(name): the connection was closed") }
    }

    /// Connects, to the proxy and through it where there is one, TLS included. Called once.
    ///
    /// - Throws: `.dns`, `.refused`, `.unreachable` (also: the proxy would not), `.connectTimedOut`, `.tls`, `.reset`,
    ///   `.closedEarly`, `.aborted`.
    package func connect(deadline: Instant) throws(TransportError) {
        precondition(descriptor < 0, "connected twice")
        let ends = try using { (carrier) throws(TransportError) in try carrier.connect(deadline: deadline) }
        descriptor = ends.descriptor
        localAddress = ends.local
        peerAddress = ends.peer
        isProxied = ends.isProxied
        // Bytes may have come with the end of the handshake.
        hasBufferedInput = true
    }

    /// Sends what goes without waiting.
    ///
    /// - Returns: how many bytes went; 0 when the peer must read first: wait for output.
    /// - Throws: `.reset`, `.closedEarly`, `.timedOut`, `.unreachable`, `.aborted`.
    package func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        try usingConnected { (carrier) throws(TransportError) in
            bytes.isEmpty ? 0 : try carrier.send(bytes)
        }
    }

    /// Receives what is there without waiting.
    ///
    /// - Parameter destination: where the bytes go; not empty.
    /// - Returns: how many bytes came, at least one; `nil` when there is nothing yet: wait for input.
    /// - Throws: `.closedEarly` when the peer has ended the connection, in order or not; `.reset`, `.timedOut`,
    ///   `.unreachable`, `.aborted`. Only after every byte received.
    package func receive(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        precondition(!destination.isEmpty, "a read of no bytes")
        let count = try usingConnected { (carrier) throws(TransportError) in try carrier.receive(into: destination) }
        hasBufferedInput = count != nil
        return count
    }

    private func usingConnected<Result>(
        _ body: (any ControlCarrier) throws(TransportError) -> Result
    ) throws(TransportError) -> Result {
        precondition(descriptor >= 0 || failure != nil, "not connected")
        return try using(body)
    }

    /// What goes wrong is remembered, and told with the name of the other end.
    private func using<Result>(
        _ body: (any ControlCarrier) throws(TransportError) -> Result
    ) throws(TransportError) -> Result {
        if let failure { throw failure }
        do throws(TransportError) {
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            guard let carrier else { throw TransportError(.aborted, "the connection was closed") }
            return try body(carrier)
        } catch {
            let error = TransportError(error.code, "\(name): \(error.message)")
            failure = error
            hasBufferedInput = false
            throw error
        }
    }
}

/// What carries the bytes of a control connection: libcurl, or the memory of a world.
///
/// Used by one thread at a time. The messages of its errors do not name the other end.
protocol ControlCarrier: AnyObject {
    /// Waits until the connection stands.
    func connect(deadline: Instant) throws(TransportError) -> ControlEnds
    /// Sends some bytes, at least one, as far as they go without waiting.
    func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int
    /// Takes what has come; `nil` for nothing yet.
    func receive(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int?
    /// Ends the connection, in whatever state it is.
    func close()
}

/// What is known of a connection that stands.
struct ControlEnds {
    /// For waiting.
    var descriptor: Int32
    /// As digits.
    var local: String?
    var peer: String?
    var isProxied = false
}
