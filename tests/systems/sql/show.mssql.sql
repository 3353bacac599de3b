-- Which goods are meant? By their articles.
SELECT [GOODS].[ID], [GOODS].[ART], [GOODS].[TITLE]
FROM [GOODS]
WHERE [GOODS].[ART] IN (N'AB-1', N'AB-2');

-- Only for articles that are not there as they are: all, compared in normal form, and by name.
SELECT [GOODS].[ID], [GOODS].[ART], [GOODS].[TITLE]
FROM [GOODS];

-- What is meant? Of the list status.
SELECT [STATES].[CODE], [STATES].[TITLE]
FROM [STATES]
WHERE [STATES].[CODE] IN (N'new');

-- Is the order there already?
SELECT dbo.[ORDERS].[ID], dbo.[ORDERS].[NUM]
FROM dbo.[ORDERS]
WHERE dbo.[ORDERS].[MISTOK_KEY] = N'demo/shop/1/create/0';

-- Is the buyer there? All are read once for a batch, and compared however they are written.
SELECT [BUYERS].[ID], [BUYERS].[CODE], [BUYERS].[EDRPOU], [BUYERS].[IPN], [BUYERS].[PHONE], [BUYERS].[MAIL], [BUYERS].[FULL_NAME]
FROM [BUYERS] ORDER BY [BUYERS].[ID];

-- Has another program added the buyer meanwhile?
SELECT [BUYERS].[ID]
FROM [BUYERS]
WHERE [BUYERS].[PHONE] = N'+380671234567' OR [BUYERS].[MAIL] = N'olena@example.com';

-- No: the buyer's row.
INSERT INTO [BUYERS] ([FULL_NAME], [MISTOK_KEY], [EDRPOU], [IPN], [PHONE], [MAIL], [LAST_NAME], [FIRST_NAME], [COMPANY]) VALUES (N'Шевченко Олена', N'phone:+380671234567', NULL, NULL, N'+380671234567', N'olena@example.com', N'Шевченко', N'Олена', NULL);

-- No: its row, in a transaction of its own.
INSERT INTO dbo.[ORDERS] ([MISTOK_KEY], [ID], [NUM], [ORDER_DATE], [STATE], [BUYER_ID], [PHONE], [ADDRESS], [NOTE], [CUR], [DELIVERY], [TOTAL], [OBJECT_ID], [ADDED]) VALUES (N'demo/shop/1/create/0', NEXT VALUE FOR [SEQ_ORDERS], N'00000001', '2026-11-22 14:00:00', N'new', 1, N'+380671234567', N'Київ, nova-poshta, № 12', NULL, N'UAH', 70.00, 994.80, 7, '2026-11-22 14:00:00');

-- Which id did it get?
SELECT dbo.[ORDERS].[ID], dbo.[ORDERS].[NUM]
FROM dbo.[ORDERS]
WHERE dbo.[ORDERS].[MISTOK_KEY] = N'demo/shop/1/create/0';

-- Line 1.
INSERT INTO [ORDER_LINES] ([ORDER_ID], [POS], [GOOD_ID], [TITLE], [QTY], [PRICE], [DISCOUNT], [SUMMA]) VALUES (:id, 1, 1, N'Ґрунт 10 л', 2, 389.50, 0.00, 779.00);

-- Line 2.
INSERT INTO [ORDER_LINES] ([ORDER_ID], [POS], [GOOD_ID], [TITLE], [QTY], [PRICE], [DISCOUNT], [SUMMA]) VALUES (:id, 2, 2, N'Стрічка', 3, 48.60, 0.00, 145.80);

-- COMMIT: all of it, or nothing.

-- The order came again with other content: its row is changed, its lines are written anew.
UPDATE dbo.[ORDERS] SET [NUM]=N'00000001', [ORDER_DATE]='2026-11-22 14:00:00', [STATE]=N'new', [BUYER_ID]=1, [PHONE]=N'+380671234567', [ADDRESS]=N'Київ, nova-poshta, № 12', [NOTE]=NULL, [CUR]=N'UAH', [DELIVERY]=70.00, [TOTAL]=994.80, [OBJECT_ID]=7 WHERE dbo.[ORDERS].[ID] = :id;

-- Only lines of this order, and only when they differ.
DELETE FROM [ORDER_LINES] WHERE [ORDER_LINES].[ORDER_ID] = :id;

-- The order was cancelled: marked, never deleted.
UPDATE dbo.[ORDERS] SET [STATE]=N'cancelled' WHERE dbo.[ORDERS].[ID] = :id;

-- The order got another status.
UPDATE dbo.[ORDERS] SET [STATE]=N'packed' WHERE dbo.[ORDERS].[ID] = :id;

-- Is the payment there already?
SELECT [PAYMENTS].[ID]
FROM [PAYMENTS]
WHERE [PAYMENTS].[MISTOK_KEY] = N'demo/shop/1/pay/1';

-- A payment.
INSERT INTO [PAYMENTS] ([MISTOK_KEY], [ORDER_ID], [PAID], [PAID_AT]) VALUES (N'demo/shop/1/pay/1', :id, 500.00, '2026-11-22 14:00:00');
