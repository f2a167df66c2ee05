internal import CPosix
internal import Glibc

/// Memory for a batch of datagrams, used again for every batch.
///
/// Each has room for the longest that UDP can carry, so none is ever cut. Of that room only the pages that were written
/// to take memory: with datagrams as they travel, two per slot.
final class DatagramSlots {
    /// 65 535 bytes and some; not a multiple of a page's size many times over, lest the slots displace each other from the
    /// processor's cache.
    private static let stride = (64 << 10) + (1 << 10) + 128

    private let count: Int
    private let bytes: UnsafeMutableRawBufferPointer
    private let senders: UnsafeMutablePointer<sockaddr_in6>
    private let datagrams: UnsafeMutablePointer<tl_datagram>

    init(count: Int) {
        self.count = count
        bytes = .allocate(byteCount: count * Self.stride, alignment: 64)
        senders = .allocate(capacity: count)
        datagrams = .allocate(capacity: count)
        senders.initialize(repeating: sockaddr_in6(), count: count)
        for index in 0..<count {
            (datagrams + index).initialize(
                to: tl_datagram(
                    bytes: bytes.baseAddress.map { $0 + index * Self.stride }, capacity: Self.stride,
                    sender: senders + index, sender_capacity: UInt32(MemoryLayout<sockaddr_in6>.size), length: 0))
        }
    }

    deinit {
        bytes.deallocate()
        senders.deallocate()
        datagrams.deallocate()
    }

    /// Receives without waiting.
    ///
    /// - Returns: the number of datagrams, 0 when there are none; -1 for an error, which `errno` tells.
    func receive(from descriptor: Int32) -> Int {
        while true {
            let received = tl_receive_datagrams(descriptor, datagrams, UInt32(count))
            if received >= 0 { return Int(received) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? 0 : -1
        }
    }

    /// A datagram of the last batch.
    subscript(index: Int) -> UnsafeRawBufferPointer {
        let start = index * Self.stride
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(datagrams[index].length)])
    }

    /// Whether `peer` sent a datagram of the last batch.
    func sender(of index: Int, is peer: SocketAddress, onAnyPort: Bool) -> Bool {
        // The senders' memory has room for IPv6, which is the longer one.
        UnsafeRawPointer(senders + index).withMemoryRebound(to: sockaddr.self, capacity: 1) { sender in
            peer.isSame(as: sender, onAnyPort: onAnyPort)
        }
    }
}
