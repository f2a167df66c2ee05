internal import Synchronization

/// How many libav* objects this process holds, counted in debug builds so that tests can expect none to be left.
package enum LiveHandles {
    #if DEBUG
        /// An account of its own, for a task whose objects are to be told from those of others.
        package final class Account: Sendable {
            fileprivate let live = Atomic<Int>(0)
            package init() {}
        }

        /// Where the objects that are made and freed are counted: one account for the process, unless a task has its own.
        @TaskLocal package static var account = Account()
        /// Objects made and not yet freed.
        package static var count: Int { account.live.load(ordering: .sequentiallyConsistent) }
        static func made() { account.live.add(1, ordering: .relaxed) }
        static func freed() { account.live.subtract(1, ordering: .sequentiallyConsistent) }
    #else
        package static var count: Int { 0 }
        @inline(__always) static func made() {}
        @inline(__always) static func freed() {}
    #endif
}
