/// A port of a world for datagrams (UDP): what is sent to it lies there until it is received, as far as there is room.
///
/// Datagrams are lost, doubled, delayed and overtaken as the link says that the origin's end was bound with. A port that is
/// connected takes from its peer alone, and is told where its datagrams found nobody, as with the kernel.
///
/// Whoever binds one must close it.
package final class MemoryDatagrams: MemoryEndpoint, @unchecked Sendable {
    // Unchecked: everything is touched under the network's lock.

    /// Where datagrams come from, and go to.
    package struct Place: Hashable, Sendable {
        package let host: String
        package let port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// What a `receive` finds.
    package enum Reading: Hashable, Sendable {
        case datagram([UInt8], from: Place)
        /// Nothing has arrived yet.
        case nothing
        /// What was sent found nobody at the peer's port.
        case refused
    }

    /// Bytes that may lie at a port; what comes beyond is lost.
    package static let capacity = 2 << 20

    package let place: Place
    /// For waiting.
    package let descriptor: Int32
    private unowned let network: MemoryNetwork
    /// Nil for an end that leaves it to the other one.
    private let link: NetworkLink?
    private var peer: Place?
    private var isOpen = true
    /// What has come or is under way, by arrival.
    private var parcels: [(arrival: Instant, from: Place, bytes: [UInt8])] = []
    private var byteCount = 0
    /// When it is heard that nobody is there.
    private var refusals: [Instant] = []
    private var lastArrival = Instant(nanoseconds: 0)

    init(network: MemoryNetwork, place: Place, descriptor: Int32, link: NetworkLink?) {
        self.network = network
        self.place = place
        self.descriptor = descriptor
        self.link = link
    }

    /// Takes from one place alone from now on, and hears when nobody is there.
    package func connect(to peer: Place) { network.state.withLock { _ in self.peer = peer } }

    /// Sends without waiting; what becomes of it nobody tells, but for a port that is closed.
    ///
    /// - Returns: false where an earlier one found nobody at the peer's port. This one is not sent then.
    package func send(_ bytes: [UInt8], to destination: Place) -> Bool {
        network.state.withLockAndWake { state in
            guard isOpen, !takesRefusal() else { return !isOpen }
            let other = state.datagrams[destination].flatMap { $0.takes(from: place) ? $0 : nil }
            let link = link ?? other?.link ?? NetworkLink()
            for arrival in link.arrivals(after: &lastArrival) {
                if let other {
                    other.put(bytes, from: place, at: arrival)
                } else if peer == destination {
                    refusals.append(arrival + link.delay())
                }
            }
            return true
        }
    }

    /// The next thing that has come.
    package func receive() -> Reading {
        network.state.withLock { _ in
            if takesRefusal() { return .refused }
            guard let first = parcels.first, first.arrival <= .now else { return .nothing }
            parcels.removeFirst()
            byteCount -= first.bytes.count
            return .datagram(first.bytes, from: first.from)
        }
    }

    /// Nothing comes and nothing goes after that.
    package func close() {
        network.state.withLock { state in
            guard isOpen else { return }
            isOpen = false
            (parcels, byteCount, refusals) = ([], 0, [])
            state.datagrams[place] = nil
            state.endpoints[descriptor] = nil
        }
    }

    // MARK: - Under the network's lock

    private func takes(from sender: Place) -> Bool { peer.map { $0 == sender } ?? true }

    private func put(_ bytes: [UInt8], from sender: Place, at arrival: Instant) {
        guard byteCount + bytes.count <= Self.capacity else { return }
        byteCount += bytes.count
        let index = parcels.lastIndex { $0.arrival <= arrival }.map { $0 + 1 } ?? 0
        parcels.insert((arrival, sender, bytes), at: index)
    }

    private func takesRefusal() -> Bool {
        guard let first = refusals.first, first <= .now else { return false }
        // Heard of once, however many there are.
        refusals.removeAll { $0 <= .now }
        return true
    }

    var nextNews: Instant { min(parcels.first?.arrival ?? .never, refusals.first ?? .never) }
    var isWritable: Bool { true }
}

extension MemoryNetwork {
    /// Takes a port for datagrams.
    ///
    /// - Parameters:
    ///   - port: 0 for any that is free.
    ///   - link: what the way to it is like; nil for an end that leaves that to the other one.
    /// - Returns: nil where somebody has that port.
    package func bindDatagrams(host: String, port: Int, link: NetworkLink? = nil) -> MemoryDatagrams? {
        state.withLock { state in
            var place = MemoryDatagrams.Place(host: host, port: port)
            if port == 0 {
                // Some ports are taken, and never all of them.
                repeat {
                    state.lastDatagramPort = state.lastDatagramPort < 65_535 ? state.lastDatagramPort + 1 : 20_000
                    place = MemoryDatagrams.Place(host: host, port: state.lastDatagramPort)
                } while state.datagrams[place] != nil
            }
            guard state.datagrams[place] == nil else { return nil }
            let datagrams = MemoryDatagrams(
                network: self, place: place, descriptor: state.newDescriptor(), link: link)
            state.datagrams[place] = datagrams
            state.endpoints[datagrams.descriptor] = datagrams
            return datagrams
        }
    }
}
