internal import Glibc
internal import NIOCore
internal import NIOPosix

/// What an origin does to a connection beneath its channel, where that is more than bytes.
protocol Wire {
    /// Bytes sent that the other end has not acknowledged.
    var undeliveredByteCount: Int { get }
    /// Whether regions of a file can be written.
    var takesFileRegions: Bool { get }
    /// The close that follows breaks the connection off.
    func resetOnClose()
    /// Two ports for datagrams to the client; nil where none can be had.
    func openDatagramPorts(to clientPorts: ClosedRange<UInt16>) -> (any DatagramPorts)?
}

/// Two UDP ports in a row, the first of them even: one for RTP, the other for RTCP (RFC 3550 section 11).
///
/// Neither waits: what is not taken is lost, as on the way.
protocol DatagramPorts: AnyObject {
    var ports: ClosedRange<UInt16> { get }
    func send(_ packet: [UInt8], isControl: Bool)
    /// Reads and forgets what has come, and tells whether there was any RTCP.
    func drain() -> Bool
    func close()
}

/// A socket of the kernel's.
struct SocketWire: Wire {
    let channel: any Channel
    let takesFileRegions = true

    /// The kernel's send queue (`SIOCOUTQ`, tcp(7)).
    var undeliveredByteCount: Int {
        var count: CInt = 0
        channel.withDescriptor { if ioctl($0, UInt(TIOCOUTQ), &count) != 0 { count = 0 } }
        return Int(count)
    }

    /// A close with a linger time of zero is a reset (socket(7)).
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        channel.withDescriptor { setsockopt($0, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size)) }
    }

    func openDatagramPorts(to clientPorts: ClosedRange<UInt16>) -> (any DatagramPorts)? {
        guard let local = channel.localAddress, let remote = channel.remoteAddress else { return nil }
        return SocketDatagramPorts(local: local, remote: remote, clientPorts: clientPorts)
    }
}
