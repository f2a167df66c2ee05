internal import Glibc
internal import ThroughlineCore

/// Two UDP sockets on neighbouring ports, RTP on the even one, RTCP on the odd one above it (RFC 3550 section 11).
///
/// Nothing here waits: sleep with a `SocketWaiter` on `descriptor(of:)`. Until `connect` anybody can send datagrams to
/// the pair; after it only the origin's are handed out.
///
/// Used by one thread at a time.
package final class DatagramPair {
    package enum Channel: CaseIterable, Sendable {
        case rtp
        case rtcp

        /// For messages.
        fileprivate var name: String {
            switch self {
            case .rtp: "RTP"
            case .rtcp: "RTCP"
            }
        }
    }

    /// Datagrams received at most with one call of `receive`.
    package static let batchCount = 64
    /// Longest first: all pairs of the ephemeral range are not tried.
    private static let attemptLimit = 500

    /// One of the two sockets, and whose datagrams it takes.
    private struct Socket {
        /// Nil when closed.
        var carrier: (any DatagramCarrier)?
        var port: UInt16
        /// The one who may send; `nil` for anybody.
        var peer: SocketAddress?
        /// Whether the port of `peer` is known, so that the kernel keeps strangers out.
        var isConnected = false
        /// Whether what lies in the socket may be a stranger's: all from before it was connected.
        var mayHoldStrangers = false
    }

    private var rtp: Socket
    private var rtcp: Socket
    private let local: SocketAddress

    /// What the system granted for RTP, in bytes of its own account (about twice that of the datagrams).
    package let receiveBufferSize: Int

    /// Binds both sockets.
    ///
    /// - Parameters:
    ///   - localAddress: our end as digits, such as `ControlConnection.localAddress`; `0.0.0.0` or `::` for all.
    ///   - ports: where both ports must lie; `nil` for any that the system has free.
    ///   - receiveBufferSize: bytes wanted for RTP. The system may grant less.
    /// - Throws: `.invalidOptions` for an address that is none; `.unreachable` for one that is not ours; `.other` when no
    ///   pair is free or no descriptor left.
    package init(
        localAddress: String, ports: ClosedRange<UInt16>? = nil, receiveBufferSize: Int = 2 << 20
    ) throws(TransportError) {
        guard let local = SocketAddress(numericHost: localAddress, port: 0) else {
            throw TransportError(.invalidOptions, "\"\(localAddress.printable(limit: 60))\" is not an address")
        }
        self.local = local
        if let ports {
            (rtp, rtcp) = try Self.bindPair(local, within: ports)
        } else {
            (rtp, rtcp) = try Self.bindPair(local)
        }
        self.receiveBufferSize = rtp.carrier?.growReceiveBuffer(to: receiveBufferSize) ?? 0
    }

    deinit { close() }

    /// Ends both sockets. Nothing comes and nothing goes after that.
    package func close() {
        rtp.carrier?.close()
        rtcp.carrier?.close()
        rtp.carrier = nil
        rtcp.carrier = nil
    }

    /// Our port of a channel: even for RTP, one more for RTCP.
    package func port(of channel: Channel) -> UInt16 { self[channel].port }

    /// For waiting only; -1 when closed.
    package func descriptor(of channel: Channel) -> Int32 { self[channel].carrier?.descriptor ?? -1 }

    private subscript(channel: Channel) -> Socket {
        get {
            switch channel {
            case .rtp: rtp
            case .rtcp: rtcp
            }
        }
        set {
            switch channel {
            case .rtp: rtp = newValue
            case .rtcp: rtcp = newValue
            }
        }
    }

    // MARK: - Ports

    private static func bindPair(
        _ local: SocketAddress, within ports: ClosedRange<UInt16>
    ) throws(TransportError) -> (Socket, Socket) {
        let first = (Int(max(1, ports.lowerBound)) + 1) / 2
        // The last even port whose neighbour lies in the range too.
        let last = (Int(ports.upperBound) - 1) / 2
        guard first <= last else {
            throw TransportError(
                .invalidOptions, "no even port with its neighbour in \(ports.lowerBound)-\(ports.upperBound)")
        }
        // Not always the lowest: a datagram that comes late for the pair before would be taken for this one's.
        let count = last - first + 1
        let start = Chance.number(in: 0...count - 1)
        for attempt in 0..<min(count, attemptLimit) {
            let port = UInt16((first + (start + attempt) % count) * 2)
            guard let rtp = try bound(local, port) else { continue }
            if let rtcp = try neighbour(of: rtp, port + 1, local) { return (rtp, rtcp) }
        }
        throw TransportError(.other, "no free pair of ports in \(ports.lowerBound)-\(ports.upperBound)")
    }

    private static func bindPair(_ local: SocketAddress) throws(TransportError) -> (Socket, Socket) {
        for _ in 0..<attemptLimit {
            guard let socket = try bound(local, 0) else { continue }
            // Whichever of the two the system gave, the other may be free.
            if let other = try neighbour(of: socket, socket.port ^ 1, local) {
                return socket.port.isMultiple(of: 2) ? (socket, other) : (other, socket)
            }
        }
        throw TransportError(.other, "no free pair of ports")
    }

    /// The other socket of the pair; closes the first when it cannot be had.
    private static func neighbour(
        of socket: Socket, _ port: UInt16, _ local: SocketAddress
    ) throws(TransportError) -> Socket? {
        do throws(TransportError) {
            if port != 0, let other = try bound(local, port) { return other }
        } catch {
            socket.carrier?.close()
            throw error
        }
        socket.carrier?.close()
        return nil
    }

    /// A socket bound to the port, 0 for any; `nil` when the port is taken or not for us.
    private static func bound(_ local: SocketAddress, _ port: UInt16) throws(TransportError) -> Socket? {
        let carrier: (any DatagramCarrier)?
        do throws(SystemError) {
            if let network = MemoryNetwork.current {
                carrier = MemoryDatagramCarrier(network, at: local, port)
            } else {
                carrier = try DatagramSocket(bound: local, port, batchCount: batchCount)
            }
        } catch { throw failure(error, "UDP at \(local.numericHost ?? "?")") }
        return carrier.map { Socket(carrier: $0, port: $0.port, mayHoldStrangers: true) }
    }

    // MARK: - The origin

    /// Takes datagrams from the origin alone from now on, and makes `send` possible.
    ///
    /// May be called again, when the origin's ports change.
    ///
    /// - Parameters:
    ///   - host: the origin's address as digits, of the family of ours.
    ///   - rtpPort: the origin's port; `nil` when it did not tell. Datagrams from any of its ports are taken then, but
    ///     none can be sent, and nothing is heard of unreachable ports.
    ///   - rtcpPort: likewise.
    /// - Throws: `.invalidOptions` for an address that is none or of the other family; `.unreachable`, `.refused`.
    package func connect(to host: String, rtpPort: UInt16?, rtcpPort: UInt16?) throws(TransportError) {
        for (channel, port) in [(Channel.rtp, rtpPort), (.rtcp, rtcpPort)] {
            guard let address = SocketAddress(numericHost: host, port: port ?? 0), address.family == local.family
            else {
                throw TransportError(
                    .invalidOptions,
                    "\"\(host.printable(limit: 60))\" is not an address that \(local.numericHost ?? "?") can talk to")
            }
            guard let carrier = self[channel].carrier else {
                throw TransportError(.aborted, "the UDP sockets were closed")
            }
            if let port, port != 0 {
                do throws(SystemError) {
                    try carrier.connect(to: address)
                } catch { throw Self.failure(error, Self.name(channel, address)) }
                self[channel].isConnected = true
            } else if self[channel].isConnected {
                throw TransportError(.invalidOptions, "the origin's \(channel.name) port is known already")
            }
            self[channel].peer = address
            self[channel].mayHoldStrangers = true
        }
    }

    /// Sends one datagram: RTCP, or a small one that opens the way through a router.
    ///
    /// - Returns: false when it was lost here already, because there is no room for it.
    /// - Throws: `.refused` when an earlier one, of this channel, found nobody at the origin's port (this one is not sent
    ///   then; the socket goes on); `.unreachable`; `.other`, also when the origin's port is not known.
    @discardableResult
    package func send(_ bytes: UnsafeRawBufferPointer, on channel: Channel) throws(TransportError) -> Bool {
        let socket = self[channel]
        guard let carrier = socket.carrier else { throw TransportError(.aborted, "the UDP sockets were closed") }
        guard socket.isConnected, let peer = socket.peer else {
            throw TransportError(.other, "the origin's \(channel.name) port is not known")
        }
        do throws(SystemError) {
            return try carrier.send(bytes)
        } catch { throw Self.failure(error, Self.name(channel, peer)) }
    }

    /// Receives the datagrams that are there, up to `batchCount`, without waiting.
    ///
    /// - Parameter body: called with each in the order of arrival, always whole; the bytes are valid during the call only.
    ///   An empty datagram is one too. It must not use this object.
    /// - Returns: how many datagrams were taken from the socket, those of strangers (which `body` does not see) included.
    ///   Less than `batchCount`: there are no more for now.
    /// - Throws: `.refused` when a datagram that was sent on this channel found nobody at the origin's port. It is heard
    ///   of once per datagram sent at most, in between what is received, and the socket goes on. `.unreachable`,
    ///   `.other`.
    package func receive(
        from channel: Channel, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(TransportError) -> Int {
        let socket = self[channel]
        guard let carrier = socket.carrier else { throw TransportError(.aborted, "the UDP sockets were closed") }
        let mayBeStrangers = socket.mayHoldStrangers || !socket.isConnected
        let count: Int
        do throws(SystemError) {
            count = try carrier.receive(from: mayBeStrangers ? socket.peer : nil, onAnyPort: !socket.isConnected, body)
        } catch { throw Self.failure(error, socket.peer.map { Self.name(channel, $0) } ?? channel.name) }
        // What came before the socket was connected has been taken.
        if count < Self.batchCount, socket.isConnected { self[channel].mayHoldStrangers = false }
        return count
    }

    // MARK: - Errors

    private static func name(_ channel: Channel, _ peer: SocketAddress) -> String {
        let host = peer.numericHost ?? "?"
        return "\(channel.name) over UDP with \(host.contains(":") ? "[\(host)]" : host):\(peer.port)"
    }

    private static func failure(_ error: SystemError, _ what: String) -> TransportError {
        let code: TransportError.Code =
            switch error.number {
            case ECONNREFUSED: .refused
            case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL: .unreachable
            default: .other
            }
        return TransportError(code, "\(what): \(String(cString: strerror(error.number)))")
    }
}

/// One socket for datagrams: the kernel's, or one of a world.
///
/// Used by one thread at a time. Nothing waits.
protocol DatagramCarrier: AnyObject {
    /// For waiting.
    var descriptor: Int32 { get }
    var port: UInt16 { get }
    /// - Returns: what was granted, in bytes.
    func growReceiveBuffer(to size: Int) -> Int
    /// Takes from there alone from now on, and hears when nobody is there.
    func connect(to peer: SocketAddress) throws(SystemError)
    /// Sends to the peer; false where there is no room for it.
    func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Bool
    /// Receives a batch.
    ///
    /// - Parameter peer: the one whose datagrams `body` gets; nil for everybody's.
    /// - Returns: how many were there, those of others included.
    func receive(
        from peer: SocketAddress?, onAnyPort: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> Int
    func close()
}

/// An error of the system's (errno(3)).
struct SystemError: Error {
    let number: Int32
}
