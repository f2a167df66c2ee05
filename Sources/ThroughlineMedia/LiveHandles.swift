internal import Synchronization

/// How many libav* objects this process holds, counted in debug builds so that tests can expect none to be left.
package enum LiveHandles {
    #if DEBUG
        private static let live = Atomic<Int>(0)
        /// Objects made and not yet freed.
        package static var count: Int { live.load(ordering: .sequentiallyConsistent) }
        static func made() { live.add(1, ordering: .relaxed) }
        static func freed() { live.subtract(1, ordering: .sequentiallyConsistent) }
    #else
        package static var count: Int { 0 }
        @inline(__always) static func made() {}
        @inline(__always) static func freed() {}
    #endif
}
