/* C++ threads: a queue between them, futures with results and exceptions, data of each thread's own. */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace
{

class Queue
{
  public:
    void put(int n)
    {
        std::lock_guard<std::mutex> lock(mutex);
        items.push_back(n);
        filled.notify_one();
    }
    int take()
    {
        std::unique_lock<std::mutex> lock(mutex);
        filled.wait(lock, [this] { return !items.empty(); });
        int n = items.front();
        items.pop_front();
        return n;
    }

  private:
    std::mutex mutex;
    std::condition_variable filled;
    std::deque<int> items;
};

struct Counted {
    static std::atomic<int> made, gone;
    int value = 0;
    Counted()
    {
        made++;
    }
    ~Counted()
    {
        gone++;
    }
};
std::atomic<int> Counted::made, Counted::gone;
thread_local Counted own;

int queue_sum()
{
    constexpr int workers = 4, items = 100;
    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    Queue queue;

    for (int i = 0; i < workers; i++) {
        threads.emplace_back([&] {
            for (int n; (n = queue.take()) >= 0;) {
                own.value += n;
                std::this_thread::yield();
            }
            sum += own.value;
        });
    }
    for (int i = 0; i < items; i++)
        queue.put(i);
    for (int i = 0; i < workers; i++)
        queue.put(-1);
    for (auto &thread : threads)
        thread.join();
    return sum;
}

} // namespace

int main()
{
    std::once_flag once;
    std::promise<int> promise;

    std::cout << "sum " << queue_sum() << '\n';
    std::cout << "own data made and gone: " << (Counted::made == Counted::gone) << ' '
              << Counted::made << '\n';
    for (int i = 0; i < 3; i++)
        std::call_once(once, [] { std::cout << "once\n"; });
    auto good = std::async(std::launch::async, [] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return 42;
    });
    auto bad =
        std::async(std::launch::async, []() -> int { throw std::domain_error("no answer"); });
    std::cout << "answer " << good.get() << '\n';
    try {
        bad.get();
    } catch (const std::domain_error &e) {
        std::cout << e.what() << '\n';
    }
    std::thread keeper([&] { promise.set_value(7); });
    std::cout << "promised " << promise.get_future().get() << '\n';
    keeper.join();
    auto late = std::async(std::launch::async,
                           [] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
    std::cout << "in time: "
              << (late.wait_for(std::chrono::milliseconds(5)) == std::future_status::ready) << '\n';
    late.get();
    return 7;
}
